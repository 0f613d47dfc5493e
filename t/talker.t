# talker.t - messages to the Talker: their shape to the byte, and the truth about delivery
. "${0%/*}/lib.sh"
. "$top/t/lib-seq.sh"
hear
ok "a message" -- talker 'seeing is 0.7"'
heard '^<133>[A-Z][a-z]{2} [ 1-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} seq\.talker\[[0-9]+\]: \[NOTE\]: seeing is 0\.7"$' "is one syslog datagram"
for t in "NOTE 133" "WARNING 132" "ASTRO 132" "ERROR 131" "DEBUG 135"; do
	talker -p "${t% *}" "tag ${t% *}"
	until_true 5 grep -q "^<${t#* }>.*\[${t% *}\]: tag ${t% *}$" talker.txt
	tap $? "-p ${t% *} has the priority ${t#* }"
done
talker "$(printf 'M 31\n[ERROR]: forged \033[31m caf\303\251')"
until_true 5 grep -q forged talker.txt
is "$(grep -c forged talker.txt)" 1 "a newline makes no second line"
heard 'M 31\\x0a\[ERROR\]: forged \\x1b\[31m caf\\xc3\\xa9$' "control bytes are escaped"
talker -i flatfield -p NOTE "done"
heard ' seq.flatfield\[[0-9]+\]: \[NOTE\]: done$' "-i says who"
talker --facility=local1 one
heard '^<141>.*one$' "local1.notice is <141>"
talker "$("$py" -c 'print("x" * 5000)')"
is "$(awk '{ if (length > n) n = length } END { print (n <= 1024) }' talker.txt)" 1 "a long message is cut at 1 KiB"
faketime -f '@2026-11-05 03:04:05' talker old
heard '^<133>Nov  5 03:04:05 seq' "the day is padded with a blank, in UTC"
# ---- not delivered ----
exits 3 "no Talker" -- talker --talker=/nowhere/log hello
like err 'not delivered to /nowhere/log: No such file' "it says so"
exits 3 "a path too long for a socket" -- talker --talker="$("$py" -c 'print("/" + "x" * 200)')" hello
start stuck "$py" -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("stuck.sock")
print("stuck: ready stuck.sock", file=sys.stderr, flush=True)
time.sleep(60)
'
i=0
while talker --talker=stuck.sock "$i" 2>err; do i=$((i + 1)); [ $i -lt 5000 ] || break; done
like err 'Resource temporarily unavailable' "a full socket is told, not waited for"
exits 2 "no message" -- talker
exits 2 "two" -- talker a b
exits 2 "no such tag" -- talker -p SHOUT a
exits 2 "no such facility" -- talker --facility=local9 a
exits 2 "a name that would break the line" -- talker -i 'a]: b' a
done_testing
