# lib-merge.sh - what the tests of merged hours share. Source it after lib.sh.

# Without the bolometers a merged hour is a tenth as large.
grep -Ev '^(ac_|dc_|ref_|rgrt|chop_enc|eaz|eel|secondary)' "$top/etc/bolocam.cal" >small.cal

# merged HOUR.nc RAWDIR TRUTHDIR: what merged.py finds, into facts
merged() { /usr/bin/python3 "$top/t/merged.py" "$@" >facts 2>&1 || diag <facts; }
fact() { sed -n "s/^$1 //p" facts; }

atmost() { # atmost FACT LIMIT WORDS
	awk -v a="$(fact "$1")" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 >= 0 && a + 0 <= b + 0) }'
	tap $? "$3: $(fact "$1") (at most $2)" || diag <facts
}

# py FILE.nc PROGRAM: Python that has its variables in v, as they are stored
py() {
	/usr/bin/python3 -c "import netCDF4, sys, numpy as np; nc = netCDF4.Dataset(sys.argv[1]); nc.set_auto_maskandscale(False); v = nc.variables
$2" "$1" 2>&1
}
