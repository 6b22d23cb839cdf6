#!/bin/sh
# Install the pinned Claude Code into .claude-cli/ at the top of the project.
#
# The release is the one in package.json; package-lock.json holds the checksum
# of every file fetched. No install script runs: the platform package carries a
# native binary, and that is all the tests need. The directory ignores itself
# in git and may be deleted at any time.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix=${BYOK_CLAUDE_CLI:-$here/../../.claude-cli}

if ! command -v npm >/dev/null 2>&1; then
    echo "install.sh: npm is not on the PATH; install Node.js 20 or later" >&2
    exit 1
fi

if cmp -s "$here/package-lock.json" "$prefix/package-lock.json" &&
    version=$("$prefix/claude" --version 2>/dev/null); then
    echo "$version is there already"
    exit 0
fi

mkdir -p "$prefix"
echo '*' >"$prefix/.gitignore"
rm -f "$prefix/claude"
cp "$here/package.json" "$here/package-lock.json" "$prefix/"
cd "$prefix"
# The wrapper asks for Node.js 22; the binary, which is what runs, needs none.
npm ci --ignore-scripts --no-audit --no-fund --engine-strict=false --loglevel=error

for binary in node_modules/@anthropic-ai/claude-code-*/claude; do
    # A machine may be offered two builds of one platform (glibc and musl).
    if [ -x "$binary" ] && version=$("./$binary" --version 2>/dev/null); then
        ln -sf "$binary" claude
        echo "$version, in $(pwd)/claude"
        exit 0
    fi
done
echo "install.sh: no binary for this platform in $(pwd)/node_modules" >&2
exit 1
