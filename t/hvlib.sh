#!/bin/sh
# hvlib.sh - for the tests of the high-voltage programs: a simulated supply, and questions to it

# sim OPTION...: a simhv on a free port, commanded through descriptor 3; sets $port and $sim
sim() {
	rm -f sim.in
	mkfifo sim.in
	exec 3<>sim.in
	start sim simhv -l 127.0.0.1:0 --journal=journal "$@"
	port=${address##*:}
	# shellcheck disable=SC2034 # for the test
	sim=$pid
}

# tell WORDS: a command of the simulator, carried out when this returns
tell() {
	hv_told=$(wc -l <sim.out)
	echo "$*" >&3
	until_true 5 sh -c "[ \$(wc -l <sim.out) -gt $hv_told ]"
}

# mux OPTION...: a hvmux for it at unix:$tmp/hv.sock; sets $mux
mux() {
	start mux hvmux -d "tcp:127.0.0.1:$port" -l "unix:$tmp/hv.sock" --audit=audit "$@"
	mux=$pid
	until_true 10 grep -q 'serial 12345' mux.err
}
unmux() { finish "$mux" TERM; }

# at ADDRESS LINE...: requests on one connection; the answers, without CR
at() {
	hv_address=$1; shift
	for hv_line; do printf '%s\r\n' "$hv_line"; done | socat -t10 - "$hv_address" | tr -d '\r'
}
direct() { at "tcp:127.0.0.1:$port" "$@"; }
ask() { at "unix:$tmp/hv.sock" "$@"; }

# sets of the journal that match: how often a SET reached the supply
sets() { grep -c "CMD:SET,$1" journal; }
stat_is() { [ "$(ask "\$BD:00,CMD:MON,CH:$1,PAR:STAT")" = "#BD:00,CMD:OK,VAL:$2" ]; }
