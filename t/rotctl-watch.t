# rotctl-watch.t - the long-running rotctl: readings, commands of others, READY_TO_ROTATE
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-rot.sh"
need /usr/bin/python3

sim --start=1
ok "home" -- rot home
# ---- watch ----
start watch rotctl $rot_options watch -l unix:status 95
watch=$pid
is "$(sed -n 's/.*: ready //p' watch.err | tr '\n' ' ')" "unix:status,ro unix:control " "two sockets"
exits 4 "a second one" -- rot watch -l unix:status2
/usr/bin/python3 - >readings <<'END'
import socket
s = socket.socket(socket.AF_UNIX); s.connect("status"); s.settimeout(10)
s.sendall(b"goto 10\nMA 100\n\x00\xff")
got = b""
while got.count(b"\n") < 3:
    got += s.recv(4096)
print(got.decode(), end="")
END
is "$(grep -Ec '^rotator,name=bolocam motor_count=-?[0-9]+i,gear_count=-?[0-9]+i,motor_angle=-?[0-9.]+,gear_angle=-?[0-9.]+,state=2i,state_name="still" [0-9]{19}$' readings)" \
	"$(wc -l <readings)" "readings, one a second"
ok "a move through the watch" -- rot goto -15
stands -15 "done"
like watch.err 'unix pid [0-9]+ uid [0-9]+: goto -15.000: .* done' "it knows who asked"
env --default-signal=INT rotctl $rot_options goto 20 >live.out 2>live.err 4>&- & live=$!
until_true 10 moving_is 1
finish $live INT
is "$status" 130 "Ctrl-C of who asked"
is "$(truth moving) $(truth busy)" "0 0" "stops it"

# ---- a command that has not begun, since the watch looks for a line ----
# ask LINE[,LINE] ...: lines, on a connection for each argument, in this order; how each ended. Who
# says "leave" at last goes away unanswered, which the watch is given time to see.
cat >ask.py <<'END'
import socket, sys
def call(text):
    s = socket.socket(socket.AF_UNIX); s.connect("control"); s.settimeout(20)
    s.sendall(text.encode())
    return s
def end(s):
    return next(line.split()[1] for line in s.makefile() if line.startswith("= "))
waiting = []
for lines in sys.argv[1:]:
    text = lines.replace(",", "\n") + "\n"
    if text.endswith("leave\n"):
        call(text[:-6]).close()
        for i in range(3): end(call("status\n"))
    else:
        waiting.append(call(text))
print(*(end(s) for s in waiting))
END
ask() { /usr/bin/python3 ask.py "$@"; }
gone() { grep -c "encoder's serial line is gone" watch.err; }
more_gone() { [ "$(gone)" -gt "$n" ]; }
looks() { n=$(gone); tell unplug encoder 1h; until_true 10 more_gone; }
found() { tell unplug encoder 0s; until_true 20 rot status; }
looks
is "$(ask "goto 10" stop stop)" "stopped done done" "stop, before a move has begun"
found
looks
is "$(ask "goto 10,stop")" "stopped" "Ctrl-C of who asked"
found
looks
ask "goto 11,leave" >said
found
ok "afterwards" -- rot goto -15
ok "none of these has begun" -- sh -c '! grep -E "goto 1[01]" watch.err'
n=$(moves)
head -c 20000 /dev/urandom >garbage
/usr/bin/python3 - <<'END'
import socket
for junk in (open("garbage", "rb").read(), b"goto\n", b"goto 1e999\n", b"goto 5 6\n", b"MA 100\n", b"x" * 5000 + b"\n", b"goto 5", b"GOTO 5\n"):
    s = socket.socket(socket.AF_UNIX); s.connect("control"); s.settimeout(5)
    try:
        s.sendall(junk); s.shutdown(socket.SHUT_WR)
        while s.recv(4096): pass
    except OSError: pass
END
is "$(moves)" "$n" "garbage on the sockets moves nothing"
ok "and the watch serves on" -- rot status
tell ready on
ok "READY_TO_ROTATE without --auto" -- rot status
is "$(moves)" "$n" "turns nothing"
tell ready off
finish "$watch" TERM
is "$status" 0 "SIGTERM is a good end"
ok "that takes the sockets away" -- test ! -e status -a ! -e control

# ---- READY_TO_ROTATE, ROTATING ----
start watch rotctl $rot_options watch --auto -l unix:status 95
until_true 10 rot status
tell ready on
ok "READY_TO_ROTATE raises ROTATING" -- until_true 10 busy_is 1
ok "until it is done" -- until_true 20 busy_is 0
rows 95 0
ok "audited" -- until_true 10 grep -q 'READY_TO_ROTATE: goto .* done' watch.err
n=$(moves)
ok "a scan of somebody" -- rot scan 115
rows 115 0
tell ready off
fallen() { [ "$(tac j | sed '/ ready 0/q' | grep -c ' < PR I2')" -ge 4 ]; }
ok "the line falls, and is seen" -- until_true 10 fallen
tell ready on
twice() { [ "$(grep -c 'READY_TO_ROTATE: .* done' watch.err)" -ge 2 ]; }
ok "the next READY_TO_ROTATE" -- until_true 20 twice
is "$(sed -n '/ ready 1/,$p' j | grep -c ' busy 1')" 3 "raises ROTATING too, though it stands where it should"
rows 115 0
finish "$pid" TERM
unsim
done_testing
