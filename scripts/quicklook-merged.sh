# quicklook-merged.sh - the page of an hour that merge wrote, or of a slice of one; quicklook sources it
# when it has read the header. Left, over time: what is wrong, a few bolometers, elevation, the clock's
# residuals. Right: the scan pattern, and the spread of each bolometer.
# shellcheck shell=sh disable=SC2154,SC2030,SC2031 # set by quicklook; changed in a subshell on purpose
POINTS=18000 # of the scan pattern
ROWS=3600    # of the bolometers' streams

there() { grep -q "^	[a-z0-9]* $1[( ]" "$tmp/head"; }
scalar() { # its value, nothing when it is not there or fill
	there "$1" && ncdump -v "$1" "$file" | sed -n "s/^ $1 = \([-+.0-9e]*\) ;/\1/p"
}
# per_second VARIABLE: 3,600 values of an hour, one a line, _ where there is none
per_second() {
	if there "$1"; then
		(dim=onehertz rows=$seconds && column "$1" 1)
	else
		awk -v n="$seconds" 'BEGIN { while (n-- > 0) print "_" }'
	fi
}
per_sample() { # per_sample VARIABLE STEP
	if has "$1"; then column "$1" "$2"; else sed 's/.*/_/' "$tmp/t"; fi
}

rate=$(($(dim_length time) / $(dim_length onehertz)))
seconds=$((rows / rate))
[ "$seconds" -gt 0 ] || die 1 "$file: not a second of data yet"

# ---- seconds and samples ----

# Names may hold anything: what would break a column becomes _.
if there source_name; then
	ncdump -v source_name "$file" | awk -v n="$seconds" '/^ source_name =/ { go = 1; next }
		go && k < n && match($0, /"/) {
			sub(/^[^"]*"/, ""); sub(/"[^"]*$/, ""); gsub(/\\000/, ""); gsub(/[^-+A-Za-z0-9.]/, "_"); sub(/_*$/, "")
			print ($0 == "" ? "-" : $0); k++
		}' >"$tmp/name"
else
	awk -v n="$seconds" 'BEGIN { while (n-- > 0) print "-" }' >"$tmp/name"
fi
for v in obsnumber source_ra_apparent source_dec_apparent rotangle tau temperature humidity; do
	per_second $v >"$tmp/sec.$v"
done
paste -d' ' "$tmp/sec.obsnumber" "$tmp/name" "$tmp/sec.source_ra_apparent" "$tmp/sec.source_dec_apparent" >"$tmp/seconds"

# The observations: number, name, first second and the one after the last.
awk '$1 != "_" {
		if (!n || $1 != number || $2 != name) { if (n) print number, name, from, to; number = $1; name = $2; from = NR - 1; n++ }
		to = NR
	} END { if (n) print number, name, from, to }' "$tmp/seconds" >"$tmp/observations"

k=$(((rows + POINTS - 1) / POINTS))
column time $k >"$tmp/t"
for v in quality time_offset ra dec el acq_tel; do
	per_sample $v $k >"$tmp/sample.$v"
done
(cd "$tmp" && paste -d' ' t sample.quality sample.time_offset sample.ra sample.dec sample.el sample.acq_tel) >"$tmp/samples"

# What is wrong, second by second (0 good, 1 clock, 2 pointing or housekeeping, 3 no data); elevation;
# and the pattern about the source, in arcminutes, a block for each observation.
awk -v rate="$rate" -v k="$k" -v day="$day" -v sec="$tmp/seconds" -v obs="$tmp/observations" \
	-v wrong="$tmp/wrong" -v up="$tmp/elevation" '
	function bit(q, b) { return int(q / b) % 2 }
	BEGIN {
		while ((getline line <sec) > 0) { split(line, a, " "); ra[++n] = a[3]; dec[n] = a[4] }
		while ((getline line <obs) > 0) { split(line, a, " "); m++; for (s = a[3] + 1; s <= a[4]; s++) of[s] = m }
		start = -1
	}
	{
		s = int((NR - 1) * k / rate) + 1; t = day + $1
		if (start < 0) start = $1
		q = $2 == "_" ? 1 : $2
		bad = bit(q, 1) ? 3 : bit(q, 2) || bit(q, 8) ? 2 : q ? 1 : 0
		if (bad > worst[s]) worst[s] = bad
		if (s > last) last = s
		if ($6 != "_") { if (hole) print "" >up; printf "%.3f %s\n", t, $6 >up; hole = 0 } else hole = 1
		if ($4 == "_" || $5 == "_" || bad > 1 || !of[s]) next
		if (ra[s] != "_" && dec[s] != "_") {
			x = ($4 - ra[s]) * 15
			if (x > 180) x -= 360
			if (x < -180) x += 360
			count[of[s]]++
			key = of[s] SUBSEP count[of[s]]
			px[key] = x * cos($5 * atan2(0, -1) / 180) * 60; py[key] = ($5 - dec[s]) * 60
			at[key] = NR; on[key] = $7 == "_" || $7 > 0
		}
	}
	END {
		for (s = 1; s <= last; s++) printf "%.3f %d\n", day + start + s - 0.5, worst[s] >wrong
		for (j = 1; j <= m; j++) {
			for (i = 1; i <= count[j]; i++) {
				if (i > 1 && (at[j, i] != at[j, i - 1] + 1 || on[j, i] != on[j, i - 1])) print ""
				printf "%.4f %.4f %d\n", px[j, i], py[j, i], on[j, i]
			}
			if (!count[j]) print "NaN NaN 0"
			print "\n"
		}
	}' "$tmp/samples" >"$tmp/pattern"
from=$(awk 'NR == 1 { printf "%.3f", $1 - 0.5 }' "$tmp/wrong")
to=$(awk 'END { printf "%.3f", $1 + 0.5 }' "$tmp/wrong")

# How far the pattern reaches where the telescope was on it: all but one in a hundred.
reach=$(awk 'NF == 3 && $3 && $1 != "NaN" { a = $1 < 0 ? -$1 : $1; b = $2 < 0 ? -$2 : $2; print (a > b ? a : b) }' "$tmp/pattern" |
	sort -g | awk '{ v[NR] = $1 } END { if (NR) printf "%.4g", 1.15 * v[int(0.99 * (NR - 1)) + 1] }')
case $reach in '' | 0) reach=1 ;; esac

# ---- the clock ----

# Edges, in ms off the model.
: >"$tmp/edges"
if there edge_time && there edge_residual; then
	(dim=edge rows=$(dim_length edge) && column edge_time 1 >"$tmp/edge.t" && column edge_residual 1 >"$tmp/edge.r")
	paste -d' ' "$tmp/edge.t" "$tmp/edge.r" | awk -v day="$day" '$1 != "_" && $2 != "_" { printf "%.3f %.4f\n", day + $1, $2 * 1000 }' >"$tmp/edges"
fi
# Where the corrected time is not to be trusted: between the edges around a step, and beyond them all.
awk -v day="$day" '{ b = $2 != "_" && int($2 / 16) % 8 > 0
		if (b && !was) from = $1
		if (!b && was) printf "%.3f %.3f\n", day + from, day + $1
		was = b; t = $1 } END { if (was) printf "%.3f %.3f\n", day + from, day + t }' "$tmp/samples" >"$tmp/unsure"
clock=$(awk '$3 != "_" { if (!n++) { t0 = $1; a = $3 } t1 = $1; b = $3; if (int($2 / 16) % 2) none++ }
	END {
		if (!n) { print "no clock"; exit }
		if (none == n) { print "DAS clock not known: no edges"; exit }
		printf "DAS clock %+.3f s", a
		if (t1 - t0 > 60) printf " to %+.3f s", b
	}' "$tmp/samples")
edges=$(wc -l <"$tmp/edges")
[ "$edges" -eq 0 ] || clock="$clock, $edges edge$([ "$edges" -eq 1 ] || echo s), $(awk '{ s += $2 * $2 } END { printf "%.1f ms rms", sqrt(s / NR) }' "$tmp/edges")"

# ---- words ----

middle() { grep -v _ "$tmp/sec.$1" | sort -g | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] }'; }
verdict=$(scalar check_verdict || :)
case $verdict in
1) verdict="checks good" ;;
2) verdict="CHECKS SUSPECT" ;;
*) verdict= ;;
esac
whole=$(awk '$2 == 0 { n++ } END { printf "%d", n }' "$tmp/wrong")
about="$(stamp "$from") to $(stamp "$to" | cut -d' ' -f2) UTC"
about="$about  ·  $whole of $seconds s without a fault"
[ -z "$verdict" ] || about="$about  ·  $verdict"
about="$about  ·  $clock"
weather=
word() { # word VARIABLE FORMAT
	value=$(middle "$1")
	# shellcheck disable=SC2059 # the format is ours
	[ -z "$value" ] || weather="$weather${weather:+  ·  }$(printf "$2" "$value")"
}
word tau 'tau(225 GHz) %.3f'
word temperature '%.1f °C'
word humidity '%.0f %% humidity'
word rotangle 'rotator %.1f°'

# ---- bolometers ----

if has ac_bolos; then
	sample $ROWS
	awk '{ i = substr($2, 1, length($2) - 1); print "BOLO_" substr("ABCDEF", int(i / 24) + 1, 1) i % 24 + 1 }' "$tmp/streams.names" >"$tmp/names"
	[ "$wide" -ne 144 ] || mv "$tmp/names" "$tmp/streams.names"
	# Six hextants of 24.
	if [ "$wide" -eq 144 ]; then
		awk 'NF == 4 { printf "%d %d %s\n", $1 % 24 + 1, int($1 / 24), $4 } NF == 4 && $1 % 24 == 23 { print "" }' "$tmp/map" >"$tmp/spread"
	fi
fi

# ---- the page ----

colour() { echo '#1f5a99 #2d7d46 #b8742a #7a4fa3 #2a8f9e #c0302a #8a5a44 #d0679d' | cut -d' ' -f$((($1 - 1) % 8 + 1)); }
panel() { # panel LEFT RIGHT BOTTOM TOP WORDS: where the next plot stands, on the page
	echo "set lmargin at screen $1; set rmargin at screen $2; set bmargin at screen $3; set tmargin at screen $4"
	echo "set label 3 '$(quoted "$5")' at screen $1,$4 offset 0,0.7 left font 'DejaVu Sans,12' tc '#111111'"
}

# Bands of x from, x to, class: what is wrong; which observation.
awk '{ if (NR > 1 && $2 != was) { printf "%.3f %.3f %d\n", from, $1 - 0.5, was; from = $1 - 0.5 }
		if (NR == 1) from = $1 - 0.5
		was = $2; end = $1 + 0.5 } END { printf "%.3f %.3f %d\n", from, end, was }' "$tmp/wrong" >"$tmp/bands"
awk -v from="$from" '{ printf "%.3f %.3f %d %s %s\n", from + $3, from + $4, NR, $1, $2 }' "$tmp/observations" >"$tmp/bars"
[ -s "$tmp/bars" ] || echo "NaN NaN 1" >"$tmp/bars"
off=$(awk '{ a = $2 < 0 ? -$2 : $2; if (a > m) m = a } END { printf "%.4g", (m > 10 ? 1.2 * m : 12) }' "$tmp/edges")
[ -s "$tmp/edges" ] || echo "NaN NaN" >"$tmp/edges"
height='*:*'
[ -s "$tmp/elevation" ] || { height=0:90; echo "NaN NaN" >"$tmp/elevation"; }
tics=$(awk '{ if (NR == 1 || $2 < a) a = $2; if (NR == 1 || $2 > b) b = $2 } END { print (b - a > 20 ? 10 : "autofreq") }' "$tmp/elevation")
clock_form='%H:%M'
[ "$seconds" -gt 600 ] || clock_form='%H:%M:%S'
{
	cat <<EOF
set terminal pngcairo size 1500,1000 font 'DejaVu Sans,10' background '#ffffff' noenhanced
set output '$(printf '%s' "$tmp/page.png" | tr "'" ' ')'
set encoding utf8
set multiplot
set border 3 lc '#555555'
set tics nomirror out scale 0.6 textcolor '#333333'
set grid lc '#e4e4e4' lw 1
set key off
set style fill solid 1 noborder
set label 1 '$(quoted "$(attribute title)  ·  ${file##*/}")' at screen 0.03,0.972 font 'DejaVu Sans,15' tc '#111111'
set label 2 '$(quoted "$about")' at screen 0.03,0.945 font 'DejaVu Sans,11' tc '#555555'
set label 4 '$(quoted "$weather")' at screen 0.97,0.972 right font 'DejaVu Sans,11' tc '#555555'
set label 20 '■ good' at screen 0.69,0.882 font 'DejaVu Sans,9' tc '#7fb87f'
set label 21 '■ clock not sure' at screen 0.727,0.882 font 'DejaVu Sans,9' tc '#c79f1c'
set label 22 '■ no pointing or housekeeping' at screen 0.797,0.882 font 'DejaVu Sans,9' tc '#d06a1c'
set label 23 '■ no data' at screen 0.935,0.882 font 'DejaVu Sans,9' tc '#c0302a'

# observations, and what is wrong
set xdata time; set timefmt '%s'; set format x ''; set xrange ['$from':'$to']
EOF
	panel 0.06 0.62 0.87 0.915 ''
	echo "set border 0; unset grid; unset tics; set yrange [0:2]"
	while read -r a b n number source; do
		[ "$a" != NaN ] || continue
		# A name needs its width.
		awk -v a="$a" -v b="$b" -v all="$seconds" -v name="$number $source" 'BEGIN { exit !((b - a) / all * 100 > length(name)) }' || source=
		[ -n "$source" ] || awk -v a="$a" -v b="$b" -v all="$seconds" -v name="$number" 'BEGIN { exit !((b - a) / all * 100 > length(name)) }' || number=
		echo "set label $((100 + n)) '$(quoted "$number $source")' at '$a',1.5 offset 0.4,0 left font 'DejaVu Sans,9' tc '#ffffff' front"
	done <"$tmp/bars"
	cat <<EOF
obs(i) = word('0x1f5a99 0x2d7d46 0xb8742a 0x7a4fa3 0x2a8f9e 0xc0302a 0x8a5a44 0xd0679d', int(i - 1) % 8 + 1) + 0
fault(i) = word('0xb9dcb9 0xe8c34a 0xe8853a 0xc0302a', int(i) + 1) + 0
plot '$tmp/bars' using (0.5*(\$1+\$2)):(1.5):1:2:(1):(2):(obs(\$3)) with boxxyerror lc rgb variable, \\
    '$tmp/bands' using (0.5*(\$1+\$2)):(0.4):1:2:(0.15):(0.8):(fault(\$3)) with boxxyerror lc rgb variable
do for [i = 101:700] { unset label i }
unset label 1; unset label 2; unset label 4; do for [i = 20:23] { unset label i }
set border 3 lc '#555555'; set tics nomirror out scale 0.6 textcolor '#333333'; set grid lc '#e4e4e4'
set xtics nomirror; set ytics nomirror
EOF
	if [ -s "$tmp/streams" ]; then
		panel 0.06 0.62 0.43 0.84 "bolometers, AC, from the quietest to the noisiest"
		streams 0.995
	fi
	panel 0.06 0.62 0.285 0.39 "elevation, degrees"
	cat <<EOF
unset arrow; do for [i = 69:90] { unset label i }
set border 3 lc '#555555'; set grid lc '#e4e4e4'; set ytics nomirror $tics; set yrange [$height]; set offsets 0,0,1,1
set xdata time; set format x ''; set xrange ['$from':'$to']
plot '$tmp/elevation' using 1:2 with lines lw 1.5 lc '#1f5a99'
EOF
	panel 0.06 0.62 0.075 0.245 "clock: edges that DAS and telescope saw, ms off the model$(
		[ ! -s "$tmp/unsure" ] || echo " (shaded: time not sure)")"
	cat <<EOF
set offsets 0,0,0,0; set ytics nomirror autofreq; set format x '$clock_form'; set yrange [-$off:$off]; set xlabel 'UTC' offset 0,0.5
EOF
	n=0
	while read -r a b; do
		n=$((n + 1))
		echo "set object $n rectangle from '$a', graph 0 to '$b', graph 1 fc '#f6e3b4' fs solid noborder behind"
	done <"$tmp/unsure"
	cat <<EOF
set arrow 1 from graph 0, first 0 to graph 1, first 0 nohead lc '#999999'
plot '$tmp/edges' using 1:2 with points pt 7 ps 0.7 lc '#1f5a99'
unset object; unset arrow; set xdata; set format x '%g'; unset xlabel

# the pattern
EOF
	panel 0.69 0.965 0.43 0.84 "scan pattern about the source, arcminutes"
	echo "set xrange [$reach:-$reach] noreverse; set yrange [-$reach:$reach]; set xlabel 'right ascension, eastward' offset 0,0.5; set ylabel 'declination' offset 1.5,0"
	plot='' n=0
	while read -r _ _ i _; do
		plot="$plot${plot:+, }'$tmp/pattern' index $n using 1:(\$3 > 0 ? \$2 : NaN) with lines lw 1 lc '$(colour "$i")'"
		n=$((n + 1))
	done <"$tmp/bars"
	cat <<EOF
plot '$tmp/pattern' using 1:(\$3 > 0 ? NaN : \$2) with lines lw 1 lc '#cccccc', $plot
unset xlabel; unset ylabel
EOF
	if [ -s "$tmp/spread" ]; then
		panel 0.69 0.93 0.075 0.36 "spread (rms) of each bolometer, $unit"
		cat <<EOF
set palette defined (0 '#440154', 1 '#472c7a', 2 '#3b518b', 3 '#2c718e', 4 '#21908d', 5 '#27ad81', 6 '#5cc863', 7 '#aadc32', 8 '#fde725')
set object 1 rectangle from graph 0,0 to graph 1,1 fc '#dcdcdc' fs solid noborder behind
unset grid; set xrange [0.5:24.5]; set yrange [5.5:-0.5]
set xtics 1,2,24; set ytics ('A' 0, 'B' 1, 'C' 2, 'D' 3, 'E' 4, 'F' 5); set xlabel 'number in its hextant' offset 0,0.5
set colorbox user origin screen 0.94,0.075 size screen 0.012,0.285 noborder
plot '$tmp/spread' using 1:2:3 with image
EOF
	fi
	echo "unset multiplot"
} >"$tmp/page.gp"
