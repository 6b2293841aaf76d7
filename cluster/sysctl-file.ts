/**
 * Where one kernel setting outlives a reboot. A file each, so that components do not share a file. The last one by name
 * wins at boot (sysctl.d(5)), and Debian has /etc/sysctl.conf there as 99-sysctl.conf.
 */
export function sysctlFile(name: string): string {
  return `/etc/sysctl.d/zz-ha-kubernetes-${name.replaceAll('/', '.')}.conf`;
}
