# lib-chain.sh - the main job for tests. Source it after lib.sh.
#
#	live chec -n 200 --drop=1%
#
# sends simdet's datagrams through udp2raw | tee run.pcapng | evbuild | tee run.events | raw2nc
# over real sockets. Leaves run.nc, truth.tsv, and of each program its messages (NAME.err), its
# --status (NAME.json) and its exit status (NAME.exit). $live_build are more options of evbuild.
export PYTHONPATH="$top/t" PYTHONDONTWRITEBYTECODE=1

# py [ARGUMENTS] <SCRIPT: Debian's Python, with chain.py beside it
py() { /usr/bin/python3 - "$@"; }

# stage NAME INPUT OUTPUT COMMAND...: one program of a pipeline, in the background
stage() {
	stage_name=$1 stage_in=$2 stage_out=$3; shift 3
	{ "$@" <"$stage_in" >"$stage_out" 2>"$stage_name.err"; echo $? >"$stage_name.exit"; } &
	stages="$stages $!"
}

live() { # live CARD SIMDET-OPTIONS...
	live_card=$1; shift
	rm -f run.* truth.tsv ./*.exit ./*.json a.pipe b.pipe c.pipe capture.out
	mkfifo a.pipe b.pipe c.pipe capture.out
	stages=
	stage tee1 capture.out a.pipe tee run.pcapng
	# shellcheck disable=SC2086 # options
	stage evbuild a.pipe b.pipe evbuild -c "$live_card" --status=evbuild.json ${live_build:-}
	stage tee2 b.pipe c.pipe tee run.events
	stage raw2nc c.pipe raw2nc.out raw2nc -o run.nc --status=raw2nc.json
	start capture udp2raw -l 127.0.0.1:0 --status=udp2raw.json || return
	simdet -c "$live_card" -d "$address" --status=simdet.json --truth=truth.tsv "$@" 2>simdet.err
	echo $? >simdet.exit
	finish "$pid" TERM
	echo "$status" >udp2raw.exit
	# shellcheck disable=SC2086 # a list of process ids
	wait $stages
}

# exit_of NAME...: how the programs of the last run ended
exit_of() { for exit_p; do cat "$exit_p.exit"; done | xargs; }

# tubes BOXES [WIDTH]: tubes.card, a card of nobody: so many boxes told by a field, a clock of 1 us,
# a sequence number (of WIDTH bits), and four counts in 25 bytes
tubes() {
	cat >tubes.card <<-E2
	[card]
	name = tubes
	byteorder = big
	datagram = 25
	window = 5ms
	hold = 200ms
	rate = 100
	[source]
	by = field box
	first = 1
	count = $1
	[clock]
	field = ticks
	unit = 1us
	[sequence]
	field = number
	${2:+width = $2}
	[field number]
	at = 0 u32
	[field ticks]
	at = 4 u32
	[field counts]
	at = 8 u32 4
	[field box]
	at = -1 u8
	E2
}
