#!/usr/bin/env bash
# Checks the exporter, the rules and the dashboards with the real tools: docs/prometheus/check.sh SWARMBUS [PYTHON], in two to five minutes.
# SWARMBUS is the command, PYTHON an interpreter that has the package swarmbus.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
swarmbus=$(readlink -f "${1:-target/release/swarmbus}")
python=${2:-python3}

for tool in prometheus promtool ss; do
    if ! command -v "$tool" >/dev/null; then
        echo "check.sh: $tool is missing: apt install prometheus iproute2" >&2
        exit 69
    fi
done
if ! "$python" -c 'import swarmbus' 2>/dev/null; then
    echo "check.sh: $python has no package swarmbus: make build, then name .venv/bin/python" >&2
    exit 69
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_RUNTIME_DIR=$work

promtool check rules "$here/swarmbus.rules.yml"
promtool test rules "$here/swarmbus.rules.test.yml"

for name in swarm bus host; do
    cp "$here/$name.json" "$work"
done
cp "$here/dashboards.py" "$work"
"$python" "$work/dashboards.py"
for name in swarm bus host; do
    cmp "$here/$name.json" "$work/$name.json" || { echo "check.sh: $name.json is old: docs/prometheus/dashboards.py" >&2; exit 1; }
done

# An alert without a runbook helps nobody at night.
sed -n 's/^ *- alert: //p' "$here/swarmbus.rules.yml" | while read -r alert; do
    grep -qx "## $alert" "$here/../runbooks.md" || { echo "check.sh: docs/runbooks.md says nothing of $alert" >&2; exit 1; }
done

"$python" "$here/check.py" "$swarmbus" "$work"
