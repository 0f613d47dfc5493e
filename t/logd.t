# logd.t - log records: frames, files, rotation, a full disk, --follow, rsyslog on either side
# san: yes
# shellcheck disable=SC2012,SC2010,SC2046 # names here are plain
. "${0%/*}/lib.sh"
need python3
py() { PYTHONDONTWRITEBYTECODE=1 timeout 60 /usr/bin/python3 "$@"; }
lines() { cat "$1"/*.log 2>/dev/null | wc -l; }
has() { [ "$(lines "$1")" -ge "$2" ]; }
port() { sed -n "s/.*ready $1:.*:\\([0-9]*\\)\$/\\1/p" logd.err; }
collect() { # collect OPTIONS: logd on all kinds of addresses, into logs
	rm -rf logs
	start logd logd -l tcp:127.0.0.1:0 -l udp:127.0.0.1:0 -l "unix:$tmp/log.sock" -o logs "$@"
	logd=$pid
	until_true 20 grep -q 'ready unix:' logd.err
	tcp=$(port tcp) udp=$(port udp)
}

# ---- frames: the bytes of RFC 6587 ----
cat >send.py <<'P'
import socket, sys, time
tcp, udp, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
def stream(data, step=None, unix=False):
    s = socket.socket(socket.AF_UNIX) if unix else socket.socket()
    s.connect(path if unix else ("127.0.0.1", tcp))
    for i in range(0, len(data), step or len(data)):
        s.sendall(data[i:i + (step or len(data))])
        if step:
            time.sleep(0.0005)
    s.close()
r = lambda n, text: b"<134>1 2026-11-20T08:00:00.000001Z das1 evpub 812 roach01 - " + text
counted = lambda m: b"%d %s" % (len(m), m)
stream(counted(r(1, b"counted one")) + counted(r(2, b"two\nlines")) + counted(r(3, b"three")))
stream(r(4, b"a line") + b"\n" + r(5, b"a line with CR") + b"\r\n" + r(6, b"a line without end"))
stream(r(7, b"ended by NUL") + b"\0" + counted(r(8, b"mixed")) + r(9, b"line after") + b"\n", step=7)
stream(counted(r(10, b"by unix socket")), unix=True)
stream(b"4096 <13>1 this one is cut")                      # counted, and not all there: it will come again
stream(b"<11>Nov 20 08:00:00 old dev[3]: of RFC 3164\n")
stream(b"no priority \x1b[31m at all\n")
stream(b"70000 " + r(11, b"x" * 70000)[:70000] + counted(r(12, b"after a long one")))
stream(r(13, b"y" * 70000) + b"\n" + r(14, b"after a long line") + b"\n")
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(r(15, b"a datagram"), ("127.0.0.1", udp))
s.sendto(r(16, b"a datagram with newline\n"), ("127.0.0.1", udp))
P
collect
ok "records of every kind are sent" -- py send.py "$tcp" "$udp" "$tmp/log.sock"
until_true 20 has logs 18
is "$(lines logs)" 18 "each is a line of the file"
like logs/*.log '^<134>1 2026-11-20T08:00:00.000001Z das1 evpub 812 roach01 - counted one$' "as it came"
like logs/*.log 'two\\x0alines$' "a newline inside is escaped"
like logs/*.log ' a line without end$' "a last line without end is a record"
like logs/*.log ' ended by NUL$' "NUL ends one, too"
like logs/*.log ' line after$' "counts and lines may change, in pieces of 7 bytes"
like logs/*.log '^<11>1 20[0-9-]+T[0-9:.]+Z 127.0.0.1 - - - - Nov 20 08:00:00 old dev' "RFC 3164 is kept"
like logs/*.log '^<13>1 20[0-9-]+T.* no priority \\x1b\[31m at all$' "so is what is no record, escaped"
like logs/*.log ' after a long one$' "after 70000 bytes the next record is found"
like logs/*.log ' after a long line$' "after a line of 70000 bytes too"
is "$(awk 'length > 65700' logs/*.log | wc -l)" 0 "long ones are cut at 64 KiB"
is "$(basename logs/*.log .log)" "$(date -u +%Y%m%d)" "the file has the day's name"
finish "$logd" TERM
is "$status" 0 "SIGTERM ends it well"
like logd.err '18 records in, 18 out, 0 lost; not RFC 5424 2, cut 3' "everything is counted"

# ---- programs ----
collect --by=program --rotate=2000
for i in 1 2 3; do simdet -c chec -n 1 -o /dev/null --log="tcp:127.0.0.1:$tcp" --name=roach0$i; done
simdet -c chec -n 1 -o run.pcapng --log="unix:$tmp/log.sock"
evdump --log="unix:$tmp/log.sock" --check run.pcapng >/dev/null
until_true 20 has logs 5
is "$(lines logs)" 5 "five programs logged"
is "$(ls logs | tr '\n' ' ')" "evdump.log simdet.log " "a file a program"
like logs/simdet.log ' simdet [0-9]+ roach02 - ' "--name tells instances apart"
py - "$tcp" <<'P'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for name in (b"../../evil", b".hidden", b"a/b", b"-"):
    s.sendall(b"<14>1 - - " + name + b" - - - named\n")
P
until_true 20 has logs 9
is "$(ls -A logs | tr '\n' ' ')" ".lock _._.._evil.log _hidden.log a_b.log evdump.log other.log simdet.log " "names of files are tamed" ||
	ls -A logs | diag
seq 70 | sed 's/.*/<14>1 - - many& - - - one of 70/' >many
nc -N 127.0.0.1 "$tcp" <many
many_there() { [ "$(cat logs/*.log | grep -c ' one of 70$')" -eq 70 ]; }
until_true 20 many_there
tap $? "more programs at once than there are files lose nothing"
cat >spam.py <<'P'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for i in range(int(sys.argv[2]), int(sys.argv[3])):
    s.sendall(b"<14>1 - - spam - - - record %04d\n" % i)
P
there() { [ "$(cat logs/spam*.log | grep -c ' record ')" -eq "$1" ]; }
# In two goes: a busy logd may take all of one in a single write, and looks at the size at the next.
/usr/bin/python3 spam.py "$tcp" 0 1000
until_true 20 there 1000
/usr/bin/python3 spam.py "$tcp" 1000 2000
until_true 20 there 2000
tap $? "a file is rotated, and no record is lost"
[ "$(ls logs/spam*.log | wc -l)" -gt 1 ]
tap $? "there are rotated ones"
is "$(cat $(ls logs/spam.*T*.log | sort) logs/spam.log 2>/dev/null | sed 's/.* record //' | sort -c && echo sorted)" sorted "in order of their names"
mv logs/spam.log logs/moved.away
printf '<14>1 - - spam - - - after the move\n' | nc -N 127.0.0.1 "$tcp"
until_true 20 grep -q 'after the move' logs/spam.log
tap $? "a file that logrotate moved away is begun anew"
exits 4 "two logd in one folder" -- logd -l tcp:127.0.0.1:0 -o logs
like err 'another logd writes there' "are refused"
finish "$logd" TERM

# ---- a network file system that cannot refuse to rename over another file ----
rm -rf logs
start logd env LD_PRELOAD="$FYKE_BUILD/t/shim-fail.so" FAIL_CALL=noreplace FAIL_AT=1 FAIL_HOW=EINVAL FAIL_STICKY=1 \
	logd -l tcp:127.0.0.1:0 -o logs --by=program --rotate=2000
logd=$pid tcp=$(port tcp)
/usr/bin/python3 spam.py "$tcp" 0 100
until_true 20 there 100
/usr/bin/python3 spam.py "$tcp" 100 200
until_true 20 there 200
tap $? "where that cannot be asked for, a file is rotated all the same"
[ "$(ls logs/spam*.log | wc -l)" -gt 1 ]
tap $? "into two or more"
finish "$logd" TERM

# ---- a folder in which no name can be changed ----
for sticky in 1 ''; do
	rm -rf logs
	start logd env LD_PRELOAD="$FYKE_BUILD/t/shim-fail.so" FAIL_CALL=name FAIL_AT=1 FAIL_HOW=EIO ${sticky:+FAIL_STICKY=1} \
		logd -l tcp:127.0.0.1:0 -o logs --by=program --rotate=2000
	logd=$pid tcp=$(port tcp)
	for n in 0 100 200; do
		/usr/bin/python3 spam.py "$tcp" $n $((n + 100))
		until_true 20 there $((n + 100))
	done
	tap $? "a file that cannot be rotated takes all records"
	is "$(grep -c 'logs/spam.log: cannot be rotated, and goes on growing (Input/output error)' logd.err)" 1 "which is told once"
	more() { # when it can
		/usr/bin/python3 spam.py "$tcp" 300 301
		[ "$(ls logs/spam*.log | wc -l)" -gt 1 ]
	}
	[ -n "$sticky" ] || until_true 20 more
	tap $? "and is rotated when that works again"
	finish "$logd" TERM
	is "$status" 0 "all ends well"
done

# ---- a disk that loses what was written ----
rm -rf logs
start logd env LD_PRELOAD="$FYKE_BUILD/t/shim-fail.so" FAIL_CALL=sync FAIL_AT=1 FAIL_HOW=EIO logd -l tcp:127.0.0.1:0 -o logs --by=program
logd=$pid tcp=$(port tcp)
/usr/bin/python3 spam.py "$tcp" 0 100
until_true 20 grep -q 'logs/spam.log: cannot be synced: what was written last may be lost (Input/output error)' logd.err
tap $? "a sync that fails is told"
/usr/bin/python3 spam.py "$tcp" 100 200
until_true 20 there 200
finish "$logd" TERM
is "$status $(grep -c 'cannot be synced' logd.err)" "3 1" "once, and is an error at the end, though the next ones are good"
like logd.err 'logs: records that were written may be lost' "which says so"

# ---- a full disk ----
if [ "$(id -u)" -eq 0 ] && mkdir -p small && mount -t tmpfs -o size=64k tmpfs small 2>/dev/null; then
	start logd logd -l tcp:127.0.0.1:0 -o small/logs --status=st.json
	logd=$pid tcp=$(port tcp)
	py - "$tcp" <<'P' &
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"".join(b"<14>1 - - full - - - record %05d\n" % i for i in range(6000)))
P
	sender=$!
	until_true 20 grep -q 'nothing more is read' logd.err
	tap $? "a full disk is told"
	mount -o remount,size=4m small
	finish $sender
	full_there() { [ "$(grep -c ' record ' small/logs/*.log)" -eq 6000 ]; }
	until_true 20 full_there
	tap $? "when there is room again, every record is there"
	is "$(sed 's/.* record //' small/logs/*.log | sort -uc && echo good)" good "once, in order, whole"
	finish "$logd" TERM
	is "$status" 0 "and it ends well"
	umount small
else
	skip "a full disk: no tmpfs here"
fi

# ---- --follow ----
collect
logd --follow -o logs -p warning --program=evpub -n 2 >follow.out 2>follow.err &
follower=$!
until_true 20 test -e follow.err
sleep_until_open() { ls -l /proc/$follower/fd 2>/dev/null | grep -q inotify; }
until_true 20 sleep_until_open
printf '<14>1 - - evpub - - - too unimportant\n<12>1 - - evsub - - - another one\n<12>1 2026-11-20T08:00:00Z h evpub 1 roach01 - slow subscriber\n' |
	nc -N 127.0.0.1 "$tcp"
until_true 20 test -s follow.out
is "$(cat follow.out)" "2026-11-20T08:00:00Z h evpub[roach01] warning: slow subscriber" "--follow shows live what was asked for"
printf '<11>1 2026-11-20T08:00:01Z h evpub 1 - - evil \033[2J text\n' | nc -N 127.0.0.1 "$tcp"
finish $follower
is "$status" 0 "-n ends it"
like follow.out 'evpub err: evil \\x1b\[2J text' "control bytes do not reach the terminal"
ok "--all shows what is there already" -- logd --follow --all -o logs -n 4
is "$(wc -l <out)" 4 "four records"
printf '<14>1 2026-11-20T08:00:02Z h night - - [timeQuality tzKnown="1"]  dome closed\n<13>from an old device\n' | nc -N 127.0.0.1 "$tcp"
ok "--follow" -- logd --follow --all -o logs --program=night -n 1
is "$(cat out)" '2026-11-20T08:00:02Z h night info: dome closed [timeQuality tzKnown="1"]' "shows the text first, then structured data"
until_true 20 has logs 6
ok "and records" -- logd --follow --all -o logs -n 6
like out '^[0-9T:.-]+Z 127.0.0.1 notice: from an old device$' "of older devices, too"
finish "$logd" TERM

# ---- an absent server delays nothing: one warning, and records are sent when it is back ----
free=$(py -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkfifo feed
evdump --log="tcp:127.0.0.1:$free" --name=patient feed >evdump.out 2>evdump.err &
p=$!
exec 9>feed
cat run.pcapng >&9
kill -USR1 $p; kill -USR2 $p
until_true 20 grep -q 'no log server there' evdump.err
tap $? "one warning says that the server is away"
until_true 20 test -s evdump.out
rm -rf logs
start logd logd -l "tcp:127.0.0.1:$free" -o logs 9>&-
until_true 30 has logs 1
tap $? "what waited is sent when it is there, though the program has nothing new to say"
exec 9>&-
finish $p
is "$(grep -c 'no log server there' evdump.err)" 1 "the warning came once"
finish "$pid" TERM
like logs/*.log ' evdump [0-9]+ patient - ' "and the records are there"

ok "a program whose log server never comes" -- evdump --log="tcp:127.0.0.1:$free" --name=last --check run.pcapng
like err '^<134>1 [^ ]* [^ ]* evdump [0-9]+ last - .* in, .* out' "leaves what waited on standard error at its end"
like err 'evdump\[last\]: tcp:127.0.0.1:[0-9]+: 1 log records were not sent' "and says so"

# ---- rsyslog in either place ----
if command -v rsyslogd >/dev/null; then
	# rsyslog -> logd: octet-counted TCP, lines, UDP
	collect --by=program
	for kind in counted lines udp; do
		case $kind in
		counted) how="protocol=\"tcp\" TCP_Framing=\"octet-counted\" port=\"$tcp\"" ;;
		lines) how="protocol=\"tcp\" port=\"$tcp\"" ;;
		udp) how="protocol=\"udp\" port=\"$udp\"" ;;
		esac
		mkdir -p "rs-$kind"
		cat >"rs-$kind/conf" <<C
global(workDirectory="$tmp/rs-$kind")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="$tmp/rs-$kind/in.sock")
action(type="omfwd" target="127.0.0.1" $how template="RSYSLOG_SyslogProtocol23Format")
C
		rsyslogd -n -f "rs-$kind/conf" -i "$tmp/rs-$kind/pid" >"rs-$kind/out" 2>&1 &
		rs=$!
		tap_pids="$tap_pids $rs"
		until_true 20 test -S "rs-$kind/in.sock"
		logger -u "$tmp/rs-$kind/in.sock" -t "via$kind" "through rsyslog, $kind"
		until_true 20 grep -q "through rsyslog, $kind" "logs/via$kind.log"
		tap $? "rsyslog sends to logd: $kind"
		finish $rs TERM
	done
	finish "$logd" TERM
	# programs -> rsyslog
	mkdir rs
	free=$(py -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	cat >rs/conf <<C
global(workDirectory="$tmp/rs")
module(load="imtcp")
input(type="imtcp" port="$free" address="127.0.0.1")
template(name="t" type="string" string="%pri-text% %app-name% %msgid% %msg%\\n")
action(type="omfile" file="$tmp/rs/got" template="t")
C
	rsyslogd -n -f rs/conf -i "$tmp/rs/pid" >rs/out 2>&1 &
	rs=$!
	tap_pids="$tap_pids $rs"
	until_true 20 nc -z 127.0.0.1 "$free"
	simdet -c chec -n 1 -o /dev/null --log="tcp:127.0.0.1:$free" --name=roach07
	until_true 20 grep -q 'roach07 *.*16 datagrams in\|roach07.*datagrams in' rs/got
	tap $? "programs log to rsyslog in logd's place" || diag <rs/got
	like rs/got '^local0.info[^ ]* simdet roach07 ' "with facility, level, program and instance"
	finish $rs TERM
else
	skip "rsyslog is not installed"
fi

# ---- usage ----
exits 2 "no folder" -- logd -l tcp:127.0.0.1:0
exits 2 "no address" -- logd -o logs
exits 2 "a bad address" -- logd -l serial:/dev/null -o other
exits 2 "--by=nothing" -- logd -l tcp:127.0.0.1:0 -o other --by=nothing
exits 2 "a bad priority" -- logd --follow -o . -p loud
exits 3 "a folder that is not there" -- logd --follow -o nowhere
exits 4 "other machines without --allow" -- logd -l tcp:0.0.0.0:0 -o other
exits 4 "by UDP neither" -- logd -l udp:0.0.0.0:0 -o other
exits 3 "a folder where none can be" -- logd -l tcp:127.0.0.1:0 -o run.pcapng/logs
start logd logd -l tcp:0.0.0.0:0 -l udp:0.0.0.0:0 --allow=192.0.2.0/24 -o other --min-free=100000T
until_true 10 grep -q 'other: only [0-9]* MiB are free (--min-free)' logd.err
tap $? "little space is told"
finish "$pid" TERM
is "$status" 0 "with --allow they are welcome"
done_testing
