# SPDX-License-Identifier: ISC
# Manual pages and spelling: the quick part of `make lint`.
echo "1..1"
for tool in mandoc codespell; do
	command -v $tool > /dev/null || echo "# $tool is not installed"
done
if out=$(sh mk/lint.sh quick 2>&1); then
	echo "ok 1 - manual pages and spelling"
else
	printf '%s\n' "$out" | sed 's/^/# /'
	echo "not ok 1 - manual pages and spelling"
	exit 1
fi
