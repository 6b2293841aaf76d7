import { UNDO_DIRECTORY } from '../../../activities/host-state/undo-journal.js';
import type { LabRun } from '../harness.js';

/** systemd's own name of the message that a unit has started (SD_MESSAGE_UNIT_STARTED in sd-messages.h). */
const STARTED = '39f53479d3a045ac8e11786248231fbf';
/** The one that a unit has failed (SD_MESSAGE_UNIT_FAILURE_RESULT). */
const FAILED = 'd9b373ed55a64feb8242e02dbe79a49c';

/** Made before a deployment: whatever is younger on the host's disk is the deployment's. */
const MARK = '/root/.before-the-deployment';

/** Lines about a host, by what they are about; sorted. */
export interface HostPicture {
  /** Type, mode, owner, path, and where a link leads to. */
  readonly paths: readonly string[];
  /** Path and sha256 of every file that came or changed. */
  readonly contents: readonly string[];
  readonly units: readonly string[];
  /**
   * How often each unit of the deployment was started, but for starts after it had failed, as it does while what it talks
   * to is not there yet; nothing if the host itself was started again.
   */
  readonly starts: readonly string[] | undefined;
  /** What the host remembers of how it was before (docs/decisions/undo-journal.md), in no order. */
  readonly undo: readonly string[];
  readonly accounts: readonly string[];
  readonly packages: readonly string[];
  readonly images: readonly string[];
  /** What must never be there after a run; see {@link leftovers}. */
  readonly partial: readonly string[];
  readonly failedUnits: readonly string[];
  readonly orphans: readonly string[];
}

/** Paths that differ between two hosts that were treated alike: by nature, not by accident. */
const varyingPaths: readonly RegExp[] = [
  // Not on the disk, or this test's own.
  /^\/(proc|sys|dev|run)\//,
  new RegExp(`^${MARK}$`),
  // Named by the machine's id, or by chance.
  /^\/var\/log\/journal\//,
  /^\/(var\/)?tmp\/systemd-private-/,
  // What pods and etcd make of themselves: the cluster's picture tells of them.
  /^\/var\/(lib\/kubelet\/pods|log\/pods|log\/containers|lib\/cni)\//,
  /^\/var\/lib\/etcd\/member\//,
];

/** Files whose path, mode and owner are compared, but not their content. */
const varyingContents: readonly RegExp[] = [
  // Keys and certificates: each cluster has its own. That they are the state store's, an empty plan says.
  /^\/etc\/(etcd|kubernetes)\/pki\//,
  /^\/etc\/kubernetes\/([a-z-]+\.conf|encryption\.yaml)$/,
  /^\/var\/lib\/kubelet\/pki\//,
  // Lines come in the order in which components were applied, and once more after a kill; see the picture's own lines.
  new RegExp(`^${UNDO_DIRECTORY}/records$`),
  // The day on which an account was made, for one; the picture's lines about accounts have the rest.
  /^\/etc\/shadow-?$/,
  // The kubelet's own notes about its pods, by their ids.
  /^\/var\/lib\/kubelet\/(actuated|allocated)_pods_state$/,
  // The distribution's own notes of when it did what, and in which order.
  /^\/var\/lib\/dpkg\/status-old$/,
  /^\/var\/log\//,
  /^\/var\/cache\/(apt\/.*\.bin|ldconfig\/aux-cache)$/,
];

/** In the names of the certificates that a kubelet was issued. */
const kubeletDate = /(?<=kubelet-(client|server)-)\d{4}(-\d{2}){5}(?=\.pem)/g;

/** Records of what lab hosts share, as they share a kernel: the first deployment on a machine alone finds it unset. */
const sharedSysctl = /^sysctl (?!net\.)/;

/** Units of pods, named by their ids. */
const podUnits = /^(cri-containerd-|kubepods-)/;

const packageFormat = '${Package} ${Version} ${db:Status-Status}\\n';

const script = String.raw`
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
about() { sed "s/^/$1 /"; }
find / -xdev -printf '%y %m %u:%g %p %l\n' | about paths
find / -xdev -type f -cnewer ${MARK} -print0 | xargs -0r openssl dgst -sha256 -r | sed 's/^\([0-9a-f]*\) \*\(.*\)$/\2 \1/' | about contents
systemctl list-unit-files --no-legend --no-pager | awk '{ print $1, $2 }' | about units
systemctl list-units --all --plain --no-legend --no-pager --type=service,socket,timer | awk '{ print $1, $3, $4 }' | about units
if [ "$(($(date +%s) - $(ps -o etimes= -p 1)))" -le "$(stat -c %Y ${MARK})" ]; then
  echo 'starts known'
  for unit in $(find /etc/systemd/system -maxdepth 1 -type f -name '*.service' ! -name lab-host.service -printf '%f\n'); do
    journalctl --no-pager -q -o cat --output-fields=MESSAGE_ID MESSAGE_ID=${STARTED} MESSAGE_ID=${FAILED} UNIT="$unit" |
      awk '$0 != "${STARTED}" { failed = 1; next } { if (!failed || count == 0) count++; failed = 0 } END { print count + 0 }' |
      about "starts $unit"
  done
fi
sort -u ${UNDO_DIRECTORY}/records | about undo
getent passwd | cut -d : -f 1,6,7 | about accounts
getent group | cut -d : -f 1,4 | about accounts
getent shadow | cut -d : -f 1,2,4- | about accounts
dpkg-query -W -f '${packageFormat}' | about packages
if command -v ctr >/dev/null; then
  ctr -n k8s.io images ls -q | about images
  ctr -n k8s.io content active | tail -n +2 | sed 's/^/unfinished content: /' | about partial
fi
find / -xdev \( -name '*.ha-kubernetes-new*' -o -path '/var/cache/ha-kubernetes/*' -o -name '*.dpkg-new' -o -name '*.dpkg-tmp' \) | about partial
dpkg --audit | sed -n 's/^ \([^ ].*\)/dpkg: \1/p' | about partial
systemctl --failed --plain --no-legend --no-pager | awk '{ print $1 }' | about failedUnits
own=$(ps -o sid= -p $$ | tr -d ' ')
ps -eo pid=,sid=,comm=,cgroup:200=,args= | awk -v own="$own" '$2 != own && $3 != "sshd" && $4 ~ /ssh\.service|session-|user\.slice/' | about orphans
`;

/** Lets {@link hostPicture} tell what a deployment brings from what was there. */
export async function markBeginning(lab: LabRun, host: string): Promise<void> {
  await lab.onHost(host, `touch ${MARK}`);
}

/** Looks at everything on a host that a deployment may have to do with. */
export async function hostPicture(lab: LabRun, host: string): Promise<HostPicture> {
  const text = await lab.onHost(host, script);
  const lines = text.replaceAll(kubeletDate, 'DATE').split('\n').sort();
  const about = (what: keyof HostPicture): string[] =>
    lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.slice(what.length + 1).trimEnd());
  const varies = (path = ''): boolean => varyingPaths.some((pattern) => pattern.test(path));
  const starts = about('starts');
  return {
    paths: about('paths').filter((line) => !varies(line.split(' ')[3])),
    contents: about('contents').filter((line) => {
      const [path = ''] = line.split(' ');
      return !varies(path) && !varyingContents.some((pattern) => pattern.test(path));
    }),
    units: about('units').filter((line) => !podUnits.test(line)),
    starts: starts.includes('known') ? starts : undefined,
    undo: about('undo').filter((line) => !sharedSysctl.test(line)),
    accounts: about('accounts'),
    packages: about('packages'),
    images: about('images'),
    partial: about('partial'),
    failedUnits: about('failedUnits'),
    orphans: about('orphans'),
  };
}

/** What may be on no host after a run, whatever happened to it. */
export function leftovers({ partial, failedUnits, orphans }: HostPicture): string[] {
  return [
    ...partial.map((what) => `left: ${what}`),
    ...failedUnits.map((unit) => `failed unit: ${unit}`),
    ...orphans.map((process) => `left process: ${process}`),
  ];
}
