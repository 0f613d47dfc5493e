# merge-gdl.t - GDL reads an hour file as the original IDL readers did (ncdf_varget_scale.pro)
. "${0%/*}/lib.sh"
need gdl
cal=$top/etc/bolocam.cal
mkdir raw hdr enc hours
simdas -o raw --seed=11 -n 12 --quiet
simtel -o hdr --enc=enc --seed=11 -n 13 --quiet
merge -ff 4 -cs "$cal" -r raw -h hdr -e enc -nend 491 --out=hours --quiet
cat >fetch.pro <<'EOF_PRO'
; A variable, unpacked; one value a second becomes one a sample, as the original's reader did.
function fetch, id, name, rate
  v = ncdf_varid(id, name)
  info = ncdf_varinq(id, v)
  ncdf_varget, id, v, x
  if info.datatype eq 'CHAR' then return, string(x)
  ncdf_attget, id, v, 'scale_factor', a
  ncdf_attget, id, v, 'add_offset', b
  ncdf_attget, id, v, 'units', u
  if a ne 1 or b ne 0 then x = a * x + b
  if info.ndims eq 0 then return, x
  ncdf_diminq, id, info.dim[info.ndims - 1], dim, n
  if dim eq 'onehertz' then x = x[lindgen(rate * n) / rate]
  return, x
end
EOF_PRO
cat >read.pro <<'EOF_PRO'
id = ncdf_open('hours/20050621_08.nc')
interval = fetch(id, 'sample_interval', 1)
rate = round(1 / interval)
n = fetch(id, 'frames_written', rate)
print, 'rate', rate, ' frames', n
ac = fetch(id, 'ac_bolos', rate)
print, 'dims', size(ac, /dimensions)
print, 'channel 1 sample 100', ac[1, 100], format='(a,1x,f9.6)'
ut = fetch(id, 'ut', rate)
good = where(ut gt 0, count)
print, 'ut', count
rot = fetch(id, 'rotangle', rate)
print, 'rotangle', n_elements(rot)
trck = fetch(id, 'trck_das', rate)
tel = fetch(id, 'trck_tel', rate)
scan = fetch(id, 'scan_tel', rate)
low = trck[0:n-1] lt 2.5
s = where(low ne (scan[0:n-1] eq 1 or tel[0:n-1] eq 0), differ)
print, 'differ', differ lt 100
lst = fetch(id, 'lst', rate)
ra = fetch(id, 'ra', rate)
jd = fetch(id, 'jd', rate)
print, 'jd', jd[0], format='(a,1x,f13.4)'
bolo = fetch(id, 'bolo', rate)
print, 'bolo ', strtrim(bolo[143], 2)
name = fetch(id, 'source_name', rate)
print, 'source ', strlen(name[60]) gt 0
ncdf_attget, id, 'history', h, /global
print, 'history ', string(h)
ncdf_close, id
exit
EOF_PRO
gdl -q read.pro >facts 2>err || diag <err
fact() { sed -n "s/^$1 *//p" facts | tr -s ' '; }
is "$(fact rate)" "50 frames 36000" "the rate and the length of the data"
is "$(fact dims)" "144 180000" "dimensions are reversed, as IDL has them"
raw=$(od -An -td2 --endian=big -j $((64 + 100 * 768 + 2)) -N 2 raw/20050621/raw_050621_0480.bin)
is "$(fact 'channel 1 sample 100')" "$(awk -v r="$raw" 'BEGIN { printf "%.6f", r * 10 / 32768 }')" "volts, unpacked by scale_factor and add_offset"
is "$(fact ut)" 36000 "where(ut gt 0) finds the valid samples"
is "$(fact rotangle)" 180000 "one value a second, repeated, fills the time axis"
is "$(fact differ)" 1 "the TTL line of the DAS goes with the telescope's flags, sample by sample"
is "$(fact jd)" 53542.0000 "jd is the MJD of the UT day"
is "$(fact bolo)" BOLO_F24 "bolometers have their names"
is "$(fact source)" 1 "and so has the source"
like facts 'history .*merge' "global attributes"

# A slice, read in the same way.
mkdir sl
slice -o sl --margin=20 --quiet hours/20050621_08.nc
set -- sl/*/*_raw.nc
cp "$2" slice.nc
sed 's,hours/20050621_08.nc,slice.nc,; /^print, .channel/d; s/bolo\[143\]/bolo[143]/' read.pro >slice.pro
gdl -q slice.pro >facts 2>err || diag <err
n=$(ncdump -h slice.nc | sed -n 's/^	onehertz = \([0-9]*\) ;/\1/p')
is "$(fact rate)" "50 frames $((50 * n))" "a slice: its rate, and its length of $n seconds"
is "$(fact dims)" "144 $((50 * n))" "its dimensions"
is "$(fact rotangle)" "$((50 * n))" "one value a second, repeated, fills its time axis"
is "$(fact differ)" 1 "TTL line and flags go together"
is "$(fact bolo)" BOLO_F24 "bolometers have their names"
done_testing
