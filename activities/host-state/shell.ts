import { posix } from 'node:path';
import { quote } from '../ssh/remote-command.js';
import { PERMANENT_EXIT_CODE } from '../ssh/errors.js';

/** Marks the lines of ours in a file that belongs to the host. */
export const BLOCK_BEGIN = '# BEGIN ha-kubernetes';
export const BLOCK_END = '# END ha-kubernetes';

/**
 * Where packages and image archives are put for the time of one apply; removed by the next one at the latest. One each:
 * two components of a host may be applied at once, and must not take each other's files for leftovers.
 */
export const SPOOL = '/var/cache/ha-kubernetes';
export const PACKAGE_SPOOL = `${SPOOL}/packages`;
export const IMAGE_SPOOL = `${SPOOL}/images`;

/**
 * The name under which a file is received: beside its target, so that renaming it is atomic. It is the same in every
 * attempt, so that the next one finds it; a script that goes on with what was received claims it for itself first (see
 * `check`), by adding the number of its process.
 */
export function temporaryPath(path: string): string {
  return posix.join(posix.dirname(path), `.${posix.basename(path)}.ha-kubernetes-new`);
}

/** What every script can rely on; the environment is the same for every command (see wrapCommand). */
const prelude = String.raw`
umask 077

# The last line on stderr is what a person reads. With "permanent", trying again cannot help.
fail() { echo "$*" >&2; exit 1; }
fail_permanently() { echo "$*" >&2; exit ${PERMANENT_EXIT_CODE}; }

# Digest of stdin. openssl uses the processor's SHA instructions, coreutils does not: 2 GB/s against 0.3 GB/s, for
# half a gigabyte of binaries.
if command -v openssl >/dev/null 2>&1; then
  sha256() { openssl dgst -sha256 -r | cut -d ' ' -f 1; }
else
  sha256() { sha256sum | cut -d ' ' -f 1; }
fi

# to_the_end COMMAND...: what it says is passed on once it has ended. A program that speaks to a session which is gone
# ends by SIGPIPE; when that is systemctl in a maintainer script, the script goes on without what it was called for
# (deb-systemd-helper enable ... || true), and the package counts as installed.
to_the_end() {
  heard=$("$@" 2>&1)
  code=$?
  [ -z "$heard" ] || printf '%s\n' "$heard" >&2
  return "$code"
}

# exists PATH: of whatever kind, a link to nowhere too
exists() { [ -e "$1" ] || [ -L "$1" ]; }

# discard PATH: with what a script has claimed of it
discard() { rm -rf -- "$1" "$1".[0-9]*; }

# property NAME UNIT
property() { systemctl show -p "$1" -- "$2" | cut -d = -f 2-; }

# last_words UNIT: what its own program said last
last_words() { journalctl --quiet --no-pager --output cat --lines 1 _SYSTEMD_UNIT="$1" | cut -c 1-300; }

# package_state NAME: what dpkg says of it; nothing where dpkg does not know it
package_state() { dpkg-query -s "$1" 2>/dev/null | sed -n 's/^Status: .* //p'; }

# require_pairs PATH: our lines are where they can be told from the host's own
require_pairs() {
  [ "$(grep -cxF '${BLOCK_BEGIN}' "$1" 2>/dev/null)" = "$(grep -cxF '${BLOCK_END}' "$1" 2>/dev/null)" ] ||
    fail_permanently "$1 has '${BLOCK_BEGIN}' and '${BLOCK_END}' not in pairs; remove these lines and what is ours between them"
}

# without_block PATH: the host's own lines
without_block() { sed -e '/^${BLOCK_BEGIN}$/,/^${BLOCK_END}$/d' -e '$a\' "$1"; }
`;

/** One call of a shell function; every argument is one word, whatever it holds. */
export function call(name: string, ...words: readonly (string | number)[]): string {
  return [name, ...words.map((word) => quote(String(word)))].join(' ');
}

/**
 * A whole script for `sh -s`: functions, then calls. The calls are one compound command: the shell reads it to its end
 * before it runs any of it, so that a script cut off on its way does nothing; and none of them can eat the script.
 */
export function script(functions: string, calls: readonly string[]): string {
  return `${prelude}\n${functions}\n{\n${[...calls, ':'].join('\n')}\n} </dev/null\n`;
}
