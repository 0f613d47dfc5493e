# simtel.t - the simulated telescope: records of three epochs, housekeeping, faults
# san: yes
. "${0%/*}/lib.sh"
mkdir hdr enc rpc flat
exits 2 "it wants to know where to" -- simtel
exits 2 "a file format is 0 to 4" -- simtel -o hdr --ff=5
exits 2 "a list of minutes is one" -- simtel -o hdr --stale=480-
exits 3 "a folder that cannot be made" -- simtel -o /proc/nowhere -n 1
for f in 0:180000 1:180000 2:264000 3:312000 4:312000; do
	ok "file format ${f%:*}" -- simtel -o hdr -n 1 --ff="${f%:*}"
	is "$(wc -c <hdr/20050621/0480)" "${f#*:}" "its minute has ${f#*:} bytes"
done
be() { od -An -td4 --endian=big -j "$1" -N 4 hdr/20050621/0480 | tr -d ' '; }
is "$(be 0) $(be 4) $(be 56)" "53542 2880000 2880001" "MJD and ticks since midnight, big-endian, one tick a record"
ok "faults" -- simtel -o hdr --enc=enc --rpc=rpc -n 5 --missing=481 --short=482 --stale=483 --enc-missing=484
is "$(cd hdr/20050621 && wc -c 048? | awk '!/total/ { print $1 }' | tr '\n' ' ')" "312000 104000 312000 312000 " "a missing and a short file"
is "$(od -An -td4 --endian=big -N 4 hdr/20050621/0483 | tr -d ' ')" 53541 "one of the day before"
is "$(find enc/20050621 -name "enc_*" | wc -l)" 4 "housekeeping but for one minute"
is "$(wc -l <enc/20050621/enc_050621_0480.tsv)" 61 "a header and sixty seconds"
is "$(wc -c <rpc/20050621/20050621_0480_rpc.bin)" 46080 "sixty RPC records of 768 bytes"
is "$(od -An -td4 --endian=little -j 44 -N 4 rpc/20050621/20050621_0480_rpc.bin | tr -d ' ')" 53542 "little-endian, MJD at byte 44"
ok "as on the telescope" -- simtel -o flat --flat -n 1
is "$(ls flat)" 0480 "a flat folder, and no lock left"
done_testing
