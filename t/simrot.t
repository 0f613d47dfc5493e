# simrot.t - the simulated rotator keeps to its physics, and breaks as asked
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-rot.sh"
need /usr/bin/python3

exits 2 "a start beyond a limit" -- simrot --start=90
exits 2 "a fault that is none" -- simrot --fault=fire
exits 2 "a negative slack" -- simrot --slack=-1
touch file
exits 3 "a file is not replaced by a link" -- simrot --motor=file

cat >talk.py <<'END'
"""talk.py PORT: each line of standard input is sent (CR added; hex after #), and what comes back in
0.15 s is shown; "wait N" waits until the motor rests, at most N s"""
import os, select, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
def ask(b, t):
    os.write(fd, b)
    got, end = b"", time.monotonic() + t
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.02)[0]:
            got += os.read(fd, 4096)
            end = min(end, time.monotonic() + 0.05)
    return got
for line in sys.stdin.read().split("\n"):
    if line.startswith("wait "):
        end = time.monotonic() + float(line[5:])
        while time.monotonic() < end and ask(b"PR MV\r", 0.3).strip() != b"0":
            pass
    elif line.startswith("#"):
        print(line, ask(bytes.fromhex(line[1:]), 0.3).hex(" "))
    elif line:
        print(line, ascii(ask(line.encode() + b"\r", 0.15 if "=" in line else 0.3).decode("latin1")))
END
motor() { /usr/bin/python3 talk.py m; }
encoder() { /usr/bin/python3 talk.py e; }

# ---- the motor's manners ----
sim --start=12 --rest=12
motor >said <<'END'
PR VR
EM=1
PR P
XY
PR ER
EM=2
PR VM
VI=600
PR ER
P=7
PR P
O3=1
PR ER
S3=16,1
ER=0
O3=1
PR S3
END
is "$(cat said)" "PR VR 'PR VR\\r\\n1.024 E\\r\\n\\r\\n>'
EM=1 'EM=1\\r\\n\\r\\n>'
PR P '0\\r\\n\\r\\n>'
XY '\\r\\n?'
PR ER '20\\r\\n\\r\\n>'
EM=2 ''
PR VM '500\\r\\n'
VI=600 ''
PR ER '22\\r\\n'
P=7 ''
PR P '7\\r\\n'
O3=1 ''
PR ER '9\\r\\n'
S3=16,1 ''
ER=0 ''
O3=1 ''
PR S3 '16,1\\r\\n'" "echo and prompts until EM=2; errors by number; an input is not written to"
is "$(truth busy)" 1 "output 3 is the busy line"

# ---- slack, play, gears ----
printf '#41\n#220400000000\n#01\n#55\n' | encoder >said
is "$(cut -d ' ' -f 1-4 said)" "#41 34
#220400000000 04
#01 00 00 00
#55 10" "the encoder: ping, set up, position, status"
printf 'P=0\nVM=1000\nMA -5689\nwait 20\n' | motor >said
# 9.98 degrees of the shaft, as the belt's ratio is off by 0.2 %
at=$(truth angle)
awk -v a="$at" 'BEGIN { exit !(a > 2.13 && a <= 2.17) }'
tap $? "the dewar follows the motor, less half of the belt's slack; a fast move overshoots ($at)"
is "$(awk -v a="$at" 'BEGIN { printf "%.4f", a + 0.05 }')" "$(truth gear)" "the gear follows the dewar, less half of its play"
printf 'MR 80\nwait 20\n' | motor >said
is "$(truth angle)" "$at" "a small move back is lost in the slack"
unsim

# ---- home ----
sim --start=12 --rest=12
motor >said <<'END'
EM=2
HM 1
PR ER
S1=1,0
ER=0
VM=284
VI=57
A=1138
D=1138
HM 1
wait 20
PR I1
END
like said "PR ER '80" "no home without its input"
awk -v a="$(truth angle)" 'BEGIN { exit !(a >= 0 && a < 0.01) }'
tap $? "home is the edge of the tab, from the clockwise side ($(truth angle))"
printf 'P=0\nA=40000\nD=40000\nVM=1100\nMA 17000\n' | motor >said
until_true 20 sh -c 'grep -q "power cut: limit" j'
printf 'PR P\n' | motor >said
is "$(cat said)" "PR P ''" "beyond a limit the power is cut: the motor is silent"
until_true 10 sh -c 'tail -n 1 truth | cut -f 2 | grep -qx 12.0000'
is "$(truth angle)" 12.0000 "and the dewar swings to where it rests"
tell power on
printf 'PR P\n' | motor >said
like said 'Copyright' "with power it says its banner"
is "$(printf 'EM=2\nPR P\n' | motor | tail -n 1)" "PR P '0\\r\\n'" "and has forgotten where it was"

# ---- faults of the lines ----
printf 'EM=2\n' | motor >said
tell silent motor 1
is "$(printf 'PR MV\nPR MV\n' | motor)" "PR MV ''
PR MV '0\\r\\n'" "silent: so many answers are not given"
tell garbage motor 1
printf 'PR MV\n' | motor >said
ok "garbage: bytes before the answer" -- sh -c "! grep -q \"'0\" said && grep -q '0.r.n' said"
tell noise 1
printf 'PR MV\n' | motor >said
ok "noise: every byte is another" -- sh -c "! grep -q \"'0.r.n'\" said"
tell noise 0
tell unplug motor 200ms
ok "unplug: the port goes" -- test ! -e m
ok "and comes back" -- until_true 5 test -e m
tell encoder-power cycle
is "$(printf '#01\n' | encoder | cut -d ' ' -f 2-4)" "00 00 00" "the encoder forgets without power"
tell nonsense
like sim.err "'nonsense' is no command" "what is no command is told"
unsim
is "$status" 0 "SIGTERM is a good end"
ok "which takes the links away" -- test ! -e m -a ! -e e

# ---- time ----
rm -f sim.in
start slow simrot --motor=m --encoder=e
printf 'EM=2\n' | motor >said
/usr/bin/python3 - >said <<'END'
import os, select, time
fd = os.open("m", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
t = time.monotonic(); os.write(fd, b"PR VR\r"); got = b""
while b"\n" not in got and time.monotonic() < t + 2:
    select.select([fd], [], [], 0.1); 
    try: got += os.read(fd, 99)
    except BlockingIOError: pass
print("%.4f" % (time.monotonic() - t))
END
awk '{ exit !($1 >= 0.015) }' said; tap $? "at 9600 baud a question of 15 bytes takes 15 ms and more ($(cat said))"
finish "$pid" TERM
done_testing
