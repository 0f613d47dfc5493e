# streams.t - the readers of fyke-streams(5) and fyke-config(5) read what the programs write
. "${0%/*}/lib.sh"
need /usr/bin/python3
/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip_all "python3-numpy is not installed"

reader() { sed -n '/reader-begin/,/reader-end/p' "$top/man5/$1.5" | grep -v '^\.' | sed 's/\\e/\\/g'; }

simdet --quiet -c chec -n 20 -m 2 -o run.pcapng --status=st.json
reader fyke-streams >reader.py
ok "the reader of packets" -- /usr/bin/python3 reader.py run.pcapng
# 720 words of 1,440 bytes; the sum of the first one's, from the same bytes as tshark has them
is "$(wc -l <out)" 4 "has four packets of two modules"
is "$(sed -n 1p out | cut -d' ' -f2)" 720 "of 720 words"
if command -v tshark >/dev/null; then
	want=$(tshark -r run.pcapng -c 1 -T fields -e udp.payload 2>/dev/null | fold -w 4 |
		/usr/bin/python3 -c 'import sys; print(sum(int(w, 16) for w in sys.stdin.read().split()))')
	is "$(sed -n 1p out | cut -d' ' -f3)" "$want" "with the values that tshark sees"
else
	skip "tshark is not installed"
fi

printf '# lab\n[udp2raw]\nlisten = 2009\nlisten = 2010 ; two\n[evbuild]\ncard = chec\n' >lab.conf
reader fyke-config >reader.py
ok "the reader of configuration and status" -- /usr/bin/python3 reader.py lab.conf st.json
is "$(sed -n 1p out)" "{'udp2raw': {'listen': ['2009', '2010']}, 'evbuild': {'card': ['chec']}}" "has both sections"
is "$(sed -n 2p out)" "simdet done True" "and the status sums"
done_testing
