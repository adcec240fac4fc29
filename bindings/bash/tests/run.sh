#!/usr/bin/env bash
# Runs the tests of the command in bash and says how many passed and failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

passed=0
failed=0
for file in *.sh; do
    if [[ $file == run.sh || $file == lib.sh ]]; then
        continue
    fi
    report=$(bash "$file") || report+=$'\n'"FAILED $file"
    echo "$report"
    passed=$((passed + $(grep -c '^ok ' <<<"$report" || true)))
    failed=$((failed + $(grep -c '^FAILED ' <<<"$report" || true)))
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
