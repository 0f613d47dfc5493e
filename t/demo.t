# demo.t - what make demo shows a newcomer once the packages are there
. "${0%/*}/lib.sh"
need gnuplot ncks ncdump

ln -s "$top/scripts" scripts
before=$(date +%s)
ok "the demonstration" -- sh scripts/demo
[ $(($(date +%s) - before)) -lt 25 ]; tap $? "ends when all is sent, not when its capture would have ended by itself"
like out 'netcdf run \{' "it shows the file"
n=$(sed -n 's/.*simdet: .* datagrams in, \([0-9]*\) out.*/\1/p' err)
like out "^udp2raw +$n datagrams in, $n out, 0 lost" "and the accounting: every datagram that was sent,"
like out "^evbuild +$((n * 10)) records in, $((n * 10)) out, 0 lost; events 600" "every record,"
like out '^raw2nc +600 events in, 600 out, 0 lost' "every event"
[ -s demo.out/run.png ] && [ -s demo.out/run.pcapng ]; tap $? "the picture and the recording are there"
done_testing
