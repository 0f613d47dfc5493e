# timecheck.t - clocks that are right pass; others do not, and the offset is told
. "${0%/*}/lib.sh"
mkdir none chrony
kernel() { kernel_state=$1 kernel_status=$2 kernel_offset=$3; shift 3
	env PATH="$path" LD_PRELOAD="$FYKE_BUILD/t/shim-adjtimex.so" ADJ_STATE="$kernel_state" ADJ_STATUS="$kernel_status" \
	    ADJ_OFFSET="$kernel_offset" timecheck "$@"; }
path=$FYKE_BUILD/bin:$tmp/none

exits 2 "half of the folders" -- timecheck --raw=raw
exits 2 "a calspec that is not there" -- timecheck --raw=. --header=. --cs=nothing.cal
exits 2 "a day that is none" -- timecheck --utc=2005
# Bits and answers of adjtimex(2): STA_UNSYNC 0x40, STA_NANO 0x2000, TIME_ERROR 5.
exits 0 "a clock that the kernel calls synchronised" -- kernel 0 0x2001 1200000
like out '^this machine: synchronised, offset \+0.001200 s, by the kernel' "its offset, in ns"
exits 0 "in us, where the kernel counts those" -- kernel 0 0x1 -3000
like out 'offset -0.003000 s' "is read so"
exits 1 "a clock that nobody sets" -- kernel 5 0x40 0
like err 'not synchronised: start chrony' "is refused"
like out '^this machine: not synchronised, offset not known, by the kernel' "without the offset, which means nothing then"
exits 1 "UNSYNC alone" -- kernel 0 0x2040 0
exits 1 "an offset above 50 ms" -- kernel 0 0x2001 60000000
like err 'off by \+0.060000 s, more than --max=50ms' "is told"
exits 0 "--max" -- kernel 0 0x2001 60000000 --max=100ms

# chronyc -c tracking: 14 fields (chronyc(1)).
says() { printf '#!/bin/sh\n[ "$1 $2" = "-c tracking" ] || exit 9\n%s\n' "$1" >chrony/chronyc; chmod +x chrony/chronyc; }
path=$FYKE_BUILD/bin:$tmp/chrony:$PATH
says 'echo "A29FC87B,192.0.2.1,3,1132560000.123,-0.000012345,0.000003,0.00001,-7.1,0.001,0.02,0.012,0.0005,64.3,Normal"'
exits 0 "chrony's word" -- kernel 0 0x2001 0
like out 'offset -0.000012 s, by chrony' "counts"
says 'echo "A29FC87B,192.0.2.1,3,1132560000.123,0.345,0.000003,0.00001,-7.1,0.001,0.02,0.012,0.0005,64.3,Normal"'
exits 1 "chrony is still at it" -- kernel 0 0x2001 0
like err 'off by \+0.345000 s' "by so much"
says 'echo "7F7F0101,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised"'
exits 1 "chrony without a server" -- kernel 0 0x2001 0
says 'echo "506 Cannot talk to daemon"; exit 1'
exits 0 "chronyc without a daemon: the kernel's word counts" -- kernel 0 0x2001 0
says 'exec sleep 1000'
exits 0 "chronyc that hangs delays nothing for long" -- kernel 0 0x2001 0

# ---- the DAS against the telescope ----
mkdir raw hdr off far empty
night="--utc=2005-06-21T08:00:00Z --seed=6 -n 40 --quiet"
simtel -o hdr $night
simdas -o raw --no-drift --steps=0 $night
simdas -o off --no-drift --steps=0 --offset=1.5 $night
das() { das_raw=$1; shift; timecheck --raw="$das_raw" --header=hdr --cs="$top/etc/bolocam.cal" --utc=20050621 "$@"; }
exits 0 "a DAS clock that is right" -- das raw
like out '^DAS minus telescope: [+-]0\.0[01][0-9]+ s, from [0-9]+ edges' "the offset and its edges"
exits 1 "one that is ahead by 1.5 s" -- das off
like err 'off by \+1\.(49|50)[0-9]+ s, more than --max=50ms' "is found so"
exits 0 "--max=2s" -- das off --max=2s
exits 1 "without --cs the calspec that came with the program counts" -- timecheck --raw=off --header=hdr --utc=20050621
simdas -o far --no-drift --steps=0 --offset=-400 $night
exits 1 "one that is minutes off" -- das far
like err 'off by -(399\.9[89]|400\.0[01])' "is found so"
exits 3 "no raw files" -- das empty
exits 3 "a folder that is not there" -- timecheck --raw=raw --header=nowhere
like err '--header nowhere: no such folder' "is not taken for one without edges"
exits 3 "no pointing log: nothing can be said" -- timecheck --raw=raw --header=empty --cs="$top/etc/bolocam.cal" --utc=20050621
like err 'no TTL edge that both' "and why"
echo 'set nonsense 1' >bad.cal; exits 2 "a calspec that is wrong" -- timecheck --raw=raw --header=hdr --cs=bad.cal
# Live: the files of this hour, without --utc.
now=$(date -u -d '-45 min' +%Y-%m-%dT%H:%M:00Z); mkdir live livehdr
simtel -o livehdr --utc="$now" --seed=6 -n 40 --quiet; simdas -o live --no-drift --steps=0 --offset=0.3 --utc="$now" --seed=6 -n 40 --quiet
exits 1 "of now" -- timecheck --raw=live --header=livehdr --cs="$top/etc/bolocam.cal"
like err 'off by \+0\.(29|30)' "too"
done_testing
