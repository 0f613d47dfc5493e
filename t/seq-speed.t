# seq-speed.t - 1,000 settings in under 10 ms each; a frame of 4096 x 4096 from the last pixel in memory to
# the name printed, against cp and sync of the same bytes; memory of at most two frames
. "${0%/*}/lib.sh"
. "$top/t/lib-seq.sh"
"$py" "$top/t/bench/seq" --check >out 2>err
tap $? "the bounds are kept" || diag <err
sed 's/^/# /' out
done_testing
