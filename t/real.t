# real.t - a frame that a real ROACH2 sent in March 2018: it comes out with its values
. "${0%/*}/lib.sh"
. "$top/t/lib-chain.sh"

frame=${FYKE_SAMPLES:-}/roach2c-frame.bin
[ -n "${FYKE_SAMPLES:-}" ] && [ -r "$frame" ] || skip_all "no captured frame: FYKE_SAMPLES is ${FYKE_SAMPLES:-not set}"

# A pcap of the one Ethernet frame; its payload alone.
py "$frame" <<-'E2'
import sys
from chain import *
frame = slurp(sys.argv[1])
with open("real.pcap", "wb") as f:
    f.write(struct.pack("<IHHiIIIIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1, 1521900000, 0, len(frame), len(frame)) + frame)
with open("payload", "wb") as f:
    f.write(frame[42:])
E2
is "$(wc -c <payload)" 8192 "42 bytes of headers, 8192 of payload"

ok "evdump reads it" -- evdump -c roach2c -O json -f pps,fine,count,info,gpio real.pcap
like out '"from":"192\.168\.40\.71:60002","to":"192\.168\.41\.1:60000","bytes":8192' "from where, to where, how long"
like out '"source":0,.*"sequence":52156,' "board 0, by its address"
like out '"pps":\[0\],"fine":\[2364414018\],"count":\[52156\],"info":\[0\],"gpio":\[0\]' "the trailer's values"

# values FILE WORDS: the netCDF file of it
values() {
	py "$1" >got 2>&1 <<-'E2'
	import sys
	from chain import *
	v = {k: np.squeeze(a) for k, a in nc(sys.argv[1]).items()}
	if v["packet_count"].ndim:  # an event of 13 boards: source 0 is .71
	    assert v["present"].tolist() == [1] + 12 * [0] and v["flags"] & INCOMPLETE
	    v = {k: a[0] if a.ndim and a.shape[0] == 13 else a for k, a in v.items()}
	want = {"pps_count": 0, "clock_count": 2364414018, "packet_count": 52156, "packet_info": 0, "gpio": 0}
	assert {k: int(v[k]) for k in want} == want, v
	# I and Q of the even/odd map, from the payload's own words.
	w = np.frombuffer(slurp("payload"), "<i4")
	c = np.arange(1024)
	place, lost = (c & 1) * 1024 + c // 2, np.isin(c, (1013, 1015, 1017, 1019, 1021, 1023))
	assert (v["I"] == w[place]).all() and (v["Q"][~lost] == w[512 + place[~lost]]).all()
	assert (v["Q"][lost] == -2147483647).all()
	print("good")
	E2
	is "$(tail -n 1 got)" good "$2" || diag <got
}
ok "one event of it" -- evbuild -c roach2c -o real.events real.pcap
ok "a netCDF file of the event" -- raw2nc -o real.nc real.events
values real.nc "has the values of the frame"
ok "a netCDF file of the packet" -- raw2nc -c roach2c -o packet.nc real.pcap
values packet.nc "has the values of the frame"

# The payload over a real socket, from an address that ends like the board's.
mkfifo capture.out
evbuild -c roach2c -o live.events <capture.out 2>evbuild.err &
builder=$!
start capture udp2raw -l 127.0.0.1:0 -n 1
py "$address" <<-'E2'
import socket
import sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.71", 0))
host, port = sys.argv[1].rsplit(":", 1)
s.sendto(open("payload", "rb").read(), (host, int(port)))
E2
finish "$pid"
is "$status" 0 "the payload over a socket" || diag <capture.err
wait $builder; is $? 0 "built" || diag <evbuild.err
ok "and stored" -- raw2nc -o live.nc live.events
values live.nc "has the values of the frame"
done_testing
