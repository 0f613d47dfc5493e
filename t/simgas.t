# simgas.t - the simulated board does what the sketch and a worn cable do
# san: yes
. "${0%/*}/lib.sh"
need /usr/bin/python3

exits 2 "a fault that is no number" -- simgas --cut=often
exits 2 "a share over 1" -- simgas --fail=1.5
touch file
exits 3 "a file is not replaced by the link" -- simgas --link=file
ok "the file is still there" -- test -f file

cat >talk.py <<'END'
"""talk.py PORT SECONDS COUNT: waits, asks COUNT times, prints what is said within 0.5 s of each"""
import os, select, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
time.sleep(float(sys.argv[2]))
for _ in range(int(sys.argv[3])):
    os.write(fd, b"R")
    got, end = b"", time.monotonic() + 0.5
    while b"\n" not in got and time.monotonic() < end:
        if select.select([fd], [], [], 0.05)[0]:
            try:
                more = os.read(fd, 4096)
            except OSError as e:
                more = b""
            if not more:
                print("GONE"); sys.exit()
            got += more
    print(ascii(got.decode("latin1")))
END
talk() { /usr/bin/python3 talk.py "$@"; }

# fast OPTIONS: a board that starts at once
fast() { start sim simgas --link=port --reset=0 --delay=1ms "$@"; }

fast -n 3
is "$(readlink port)" "$address" "the link leads to the port, whose name is in the ready line"
talk port 0 3 >said
is "$(grep -Ec "^'[0-9]{3}\.[0-9]{2};[0-9]{5};[0-9]{2}\.[0-9]{2};[0-9]+.r.n'$" said)" 3 \
	"kelvin, pascal, per cent, ohm; CR LF"
finish "$pid"
is "$status" 0 "-n ends it"
ok "and takes the link away" -- test ! -e port
fast -n 3
talk port 0 3 >again
finish "$pid"
same again said "the same seed says the same"
fast -n 3 --seed 2
talk port 0 3 >other
finish "$pid"
ok "another seed something else" -- sh -c '! cmp -s other said'

start sim env --default-signal=INT simgas --link=port --reset=400ms --delay=1ms --stale
talk port 0 1 >deaf
talk port 0.5 1 >awake
finish "$pid" INT
is "$status" 0 "Ctrl-C ends it"
ok "who asks at once is not heard" -- sh -c "! grep -q '29[0-9]\.' deaf"
like awake "^';42" "who waits reads the end of an old line first"
like sim.err 'deaf [1-9]' "questions that were not heard are counted"

fast --cut=1
talk port 0 6 >said.cut; finish "$pid" TERM
is "$(grep -Ec "^'29[0-9]\.[0-9]*(;[0-9]+)?.r.n'$" said.cut)" 6 "--cut: one or two fields"
fast --fail=1
talk port 0 1 >fail; finish "$pid" TERM
like fail 'Failed to complete reading' "--fail: the sketch's words"
fast --silent=1
talk port 0 1 >silent; finish "$pid" TERM
is "$(cat silent)" "''" "--silent: nothing"
fast --half=@2
talk port 0 2 >half; finish "$pid" TERM
is "$(sed -n 2p half | grep -c '.n')" 0 "--half=@2: the second line has no end"
fast --no-sensor
talk port 0 1 >none; finish "$pid" TERM
like none 'Could not find a valid BME680' "--no-sensor: once"
fast --unplug=@2 --gone=100ms
talk port 0 2 >gone
like gone GONE "--unplug: the port goes"
ok "and comes back" -- until_true 5 test -e port
talk port 0 1 >back; finish "$pid" TERM
like back "^'29" "working"
fast --garble=50% --seed 3
talk port 0 10 >garble; finish "$pid" TERM
n=$(grep -Ec "^'29[0-9]\.[0-9]*;[0-9]{5};[0-9.]*;[0-9]+.r.n'$" garble)
[ "$n" -ge 1 ] && [ "$n" -le 9 ]; tap $? "--garble=50%: about half ($n of 10 are whole)"
done_testing
