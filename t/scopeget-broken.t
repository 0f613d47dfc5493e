# scopeget-broken.t - an oscilloscope or a network that fails: all of it, or a reason why not
# san: yes
. "${0%/*}/lib.sh"

faulty() { # faulty FAULT STATUS REGEX WORDS
	start sim simscope --rate=2000 --points=500 --fault="$1"; sim=$pid
	exits "$2" "$4" -- scopeget -d "$address" -c 3,4 --segments=4 --patience=300ms --timeout=300ms -o bad.nc
	like err "$3" "is said" || diag <err
	[ ! -e bad.nc ] || { tap 1 "$1 left a file"; rm bad.nc; }
	finish "$sim" TERM
}
faulty retrigger 1 'C4 is of another trigger than C3' "channels of two triggers"
faulty cut 1 'C3: cut short' "a waveform that ends too early"
faulty tail 1 'C3: the answer is longer than' "a waveform that is longer than it says"
faulty lie 1 'C3: cut short' "a descriptor that promises 2 GiB"
faulty no-desc 1 'C3: no WAVEDESC' "no descriptor"
faulty trace-off 1 'C4: its number of points' "a channel without points"
faulty foreign 3 "no LeCroy oscilloscope: it says 'ACME" "another instrument"
faulty mute 3 'had no answer in time' "an instrument that answers nothing"
faulty no-end 1 'has no end' "an answer without end"
faulty full 1 'too many programs' "no more links"
faulty deny 1 'no VXI-11 there' "no VXI-11"
faulty silent 3 'no answer in time' "silence"
faulty long 1 'not an RPC reply' "a record of 2 GiB"

# One bad reply, on each call in turn: either it asks again and has all, or says why, and no file
# is ever wrong. When the answer to ARM is lost it arms once more: then it may have the second
# acquisition, whole, and not the first.
start good simscope --rate=2000 --points=500
for file in good second; do
	scopeget -d "$address" -c 1,2 --segments=4 -o $file.nc 2>err || diag <err
done
finish "$pid" TERM
one_bad() { # one_bad FAULT CALL
	rm -f one.nc
	start sim simscope --rate=2000 --points=500 --fault="$1@$2"
	timeout 20 scopeget -d "$address" -c 1,2 --segments=4 --patience=200ms --timeout=1s -o one.nc 2>one.err
	one=$?
	finish "$pid" TERM
	case $one in
	0) cmp -s one.nc good.nc || cmp -s one.nc second.nc || { echo "$1@$2: another file"; return 1; } ;;
	1 | 3) [ ! -e one.nc ] || { echo "$1@$2: exit $one, but a file"; return 1; } ;;
	*) echo "$1@$2: exit $one"; return 1 ;;
	esac
	runs=$((runs + 1))
	[ "$one" -ne 0 ] || whole=$((whole + 1))
}
calls=20 step=7
nightly && calls=45 step=1
runs=0 whole=0 k=1
: >wrong
for fault in silent half hangup garbage stale error more; do
	n=$k
	while [ "$n" -le "$calls" ]; do
		one_bad "$fault" "$n" >>wrong
		n=$((n + step))
	done
	k=$((k % 5 + 1))
done
is "$(cat wrong)" "" "one bad reply of $runs: no wrong file, no hang ($whole times it had all)"
[ "$whole" -gt $((runs / 3)) ]; tap $? "most are got over"

# The same instrument, reached late and in small pieces.
start sim simscope --rate=2000 --points=500 --delay=10ms --chunk=700
ok "slow, in pieces of 700 bytes" -- scopeget -d "$address" -c 1,2 --segments=4 -o slow.nc
same slow.nc good.nc "gives the same file"
finish "$pid" TERM
done_testing
