# lint.t - every program has its page, its test and its row; the house keeps its rules
. "${0%/*}/lib.sh"
cd "$top" || exit 99
need clang-format cppcheck shellcheck mandoc
sh scripts/lint >"$tmp/lint" 2>&1
tap $? "make lint finds nothing" || diag <"$tmp/lint"
done_testing
