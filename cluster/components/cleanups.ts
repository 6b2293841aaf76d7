import { BIN } from './files.js';

/** Commands for {@link Cleanup}: what programs leave in the kernel, and in processes that outlive them. */

/**
 * Kills what is left of pods: everything in their slices, what the kubelet started, and the shims of pods, which outlive
 * their runtime. /proc shows the host's own processes only, wherever the control groups are.
 */
export const endPods = String.raw`
left() {
  pgrep -f '^${BIN}/containerd-shim-runc-v2 -namespace k8s\.io '
  grep -slE '/(kubepods[^/]*\.slice|kubelet\.service)(/|$)' /proc/[0-9]*/cgroup | cut -d / -f 3
}
tries=0
while pids=$(left) && [ -n "$pids" ]; do
  [ "$tries" -lt 100 ] || { echo "still there: $(echo $pids)" >&2; exit 1; }
  kill -s KILL $pids 2>/dev/null
  tries=$((tries + 1))
  sleep 0.1
done
systemctl stop 'kubepods*.slice' 2>/dev/null
# systemd keeps out of some of the controllers that the kubelet uses.
find /sys/fs/cgroup -depth -type d -path '*/kubepods.slice*' -exec rmdir {} + 2>/dev/null
:
`;

/** Unmounts everything whose path starts with one of these and goes on, the last mounted first; not the path itself. */
export function unmountBelow(...prefixes: readonly string[]): string {
  const below = prefixes.map((prefix) => (prefix.endsWith('-') ? prefix : `${prefix}/`));
  return String.raw`
# A mount table escapes spaces and the like in octal, which printf undoes.
awk '{ print $2 }' /proc/self/mounts | tac | while IFS= read -r mount; do
  mount=$(printf '%b' "$(printf %s "$mount" | sed 's/\\\([0-7]\{3\}\)/\\0\1/g')")
  case $mount in
    ${below.map((prefix) => `${prefix}*`).join(' | ')}) umount "$mount" 2>/dev/null || umount -l "$mount" || exit ;;
  esac
done
`;
}

/** Removes the links of the pod network, and the routes that flannel adds between hosts of one subnet. */
export function removeLinks(pods: string): string {
  return String.raw`
command -v ip >/dev/null || exit 0
# The kernel would get to the pods' own links by itself, but some time later.
for link in $(ip -o link show master cni0 2>/dev/null | sed 's/^[0-9]*: \([^:@]*\).*/\1/') cni0 flannel.1 kube-ipvs0; do
  ! ip link show "$link" >/dev/null 2>&1 || ip link delete "$link" || exit
done
ip route flush root ${pods}
`;
}

/**
 * Removes what kube-proxy, the kubelet, flannel and CNI plugins have put into the packet filter, whichever way they
 * used, and nothing else. Where a table then holds nothing but empty chains that accept, these go, too.
 */
export const removeRules = String.raw`
if [ -e /proc/net/ip_vs ] && [ -x ${BIN}/kube-proxy ]; then ${BIN}/kube-proxy --cleanup >/dev/null 2>&1; fi
for variant in iptables-legacy iptables-nft ip6tables-legacy ip6tables-nft; do
  command -v "$variant-save" >/dev/null || continue
  for table in $("$variant-save" 2>/dev/null | sed -n 's/^\*//p'); do
    others=$("$variant-save" -t "$table" 2>/dev/null | grep -vE '(^:|-[Aj] )(KUBE|CNI|FLANNEL)-') || exit
    if echo "$others" | grep -q '^-A\|^:[^ ]* [^A]'; then
      echo "$others" | "$variant-restore" || exit
    else
      "$variant" -t "$table" -F && "$variant" -t "$table" -X || exit
    fi
  done
done
if command -v nft >/dev/null; then
  for family in ip ip6; do
    ! nft list table "$family" kube-proxy >/dev/null 2>&1 || nft delete table "$family" kube-proxy || exit
  done
fi
command -v ipset >/dev/null || exit 0
for set in $(ipset list -n | grep '^KUBE-'); do ipset destroy "$set" || exit; done
`;
