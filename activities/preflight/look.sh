# Looks at everything that could stop a deployment, or that it could harm. Changes nothing; prints lines `KEY WORD...`.
#
# What runs it sets `root` (a directory in the place of /), `units` (to be told of) and `targets` (ADDRESS:PORT to reach).
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

has() { command -v "$1" >/dev/null 2>&1; }
digest() { sha256sum | cut -d ' ' -f 1; }

the_host() {
  echo "user $(id -u)"
  echo "init $(cat "$root/proc/1/comm")"
  echo "systemd $(systemctl --version | awk 'NR == 1 { print $2 }')"
  echo "clock $(date +%s%3N)"
  echo "container $(systemd-detect-virt --container || true)"
  echo "machine-id $(cat "$root/etc/machine-id" 2>/dev/null)"
  (. "$root/etc/os-release" && echo "like $ID $ID_LIKE")
  ! has apt-get || echo apt
  ! has openssl || echo openssl
  awk 'NR > 1 { print "swap", $1 }' "$root/proc/swaps" 2>/dev/null
}

# space PATH: MiB, per cent and per cent of inodes that are free where it is or will be
space() {
  there=$root$1
  while [ ! -d "$there" ]; do there=$(dirname "$there"); done
  df -Pm "$there" | awk -v path="$1" -v inodes="$(df -Pi "$there" | awk 'NR == 2 && $2 > 0 { print int(100 * $4 / $2) }')" \
    'NR == 2 { print "space", path, $6, $4, int(100 * $4 / $2), inodes }'
}

# What this project has written down of the host, and what a cluster has left.
clusters() {
  if [ -d "$root/var/lib/ha-kubernetes/undo" ]; then
    echo "journal $(cat "$root/var/lib/ha-kubernetes/undo/cluster" 2>/dev/null)"
    awk '$NF == "." { print "record", $1, $2 }' "$root/var/lib/ha-kubernetes/undo/records" 2>/dev/null
  fi
  for file in /etc/kubernetes/pki/ca.crt /etc/etcd/pki/ca.crt; do
    [ ! -f "$root$file" ] || echo "authority $file $(digest <"$root$file")"
  done
  [ ! -f "$root/etc/kubernetes/encryption.yaml" ] || echo encryption
  for program in kube-apiserver kubelet; do
    path=$root/usr/local/bin/$program
    [ ! -x "$path" ] || echo "runs $program $("$path" --version 2>/dev/null | cut -d ' ' -f 2)"
  done
  [ ! -d "$root/var/lib/etcd/member" ] || echo 'etcd-data /var/lib/etcd'
  for file in "$root"/etc/kubernetes/*.conf; do
    [ ! -f "$file" ] || echo "kubeconfig ${file#"$root"} $(authority_of "$file")"
  done
  [ ! -d "$root/etc/kubernetes" ] || find "$root/etc/kubernetes" -xdev -type f | sort | head -n 4 | sed "s,^$root,kubernetes-file ,"
}

# authority_of KUBECONFIG: sha256 of the authority that it trusts
authority_of() {
  data=$(sed -n 's/^ *certificate-authority-data: *"\{0,1\}\([A-Za-z0-9+/=]*\).*/\1/p' "$1" | head -n 1)
  file=$(sed -n 's/^ *certificate-authority: *"\{0,1\}\([^" ]*\).*/\1/p' "$1" | head -n 1)
  if [ -n "$data" ]; then
    printf %s "$data" | base64 -d 2>/dev/null | digest
  elif [ -f "$root$file" ]; then
    digest <"$root$file"
  else
    echo -
  fi
}

# unit_of PID, by its control group in systemd's own hierarchy or the unified one
unit_of() {
  unit=$(sed -n 's/^[0-9]*:\(name=systemd\)\{0,1\}:.*\/\([^/]*\.\(service\|scope\)\).*$/\2/p' "$root/proc/$1/cgroup" 2>/dev/null)
  echo "${unit:-"-"}" | head -n 1
}

programs() {
  ss -Hltnp | awk '{
    n = split($4, a, ":")
    name = match($0, /\(\("[^"]*"/) ? substr($0, RSTART + 3, RLENGTH - 4) : "-"
    pid = match($0, /pid=[0-9]+/) ? substr($0, RSTART + 4, RLENGTH - 4) : 0
    print a[n], pid, name
  }' | while read -r port pid name; do echo "port $port $(unit_of "$pid") $name"; done
  for unit in $units; do
    systemctl show -p FragmentPath -p ActiveState -p UnitFileState -- "$unit" | sed "s/^/unit $unit /"
    for path in $(systemctl show -p DropInPaths -- "$unit" | cut -d = -f 2-); do
      if grep -qs '^[[:space:]]*ExecStart[[:space:]]*=' "$root$path"; then what=command; else what=other; fi
      echo "drop-in $unit $path $what"
    done
  done
}

# Containers, running or not, by the namespace of whoever started them (containerd's own word).
containers() {
  for task in "$root"/run/containerd/io.containerd.runtime.v*/*/*/; do
    [ ! -d "$task" ] || echo "container-of $(basename "$(dirname "$task")")"
  done
  has ctr && [ -S "$root/run/containerd/containerd.sock" ] || return 0
  for namespace in $(timeout 5 ctr namespaces ls -q 2>/dev/null); do
    timeout 5 ctr -n "$namespace" containers ls -q 2>/dev/null | sed "s/.*/container-of $namespace/"
  done
}

pod_networks() {
  for file in "$root"/etc/cni/net.d/*.conf "$root"/etc/cni/net.d/*.conflist "$root"/etc/cni/net.d/*.json; do
    [ ! -e "$file" ] || echo "cni ${file#"$root"}"
  done
  for link in cni0 flannel.1 kube-ipvs0 cilium_host vxlan.calico weave; do
    ! ip link show "$link" >/dev/null 2>&1 || echo "link $link"
  done
  for save in iptables-nft-save iptables-legacy-save; do
    ! has "$save" || ! "$save" 2>/dev/null | grep -q '^:KUBE-SERVICES ' || echo "service-rules ${save%-save}"
  done
  ! has nft || ! nft list table ip kube-proxy >/dev/null 2>&1 || echo 'service-rules nft'
}

network() {
  ip -4 -o addr show | awk '{ sub("/.*", "", $4); print "address", $4 }'
  ip -4 route show | awk '
    { for (i = 1; i < NF; i++) if ($i == "via") print "gateway", $(i + 1) }
    $1 ~ /^[0-9]/ { for (i = 1; i < NF; i++) if ($i == "dev") print "route", ($1 ~ /\// ? $1 : $1 "/32"), $(i + 1) }'
  ! grep -qsx 'ENABLED=yes' "$root/etc/ufw/ufw.conf" || echo 'firewall ufw'
  ! systemctl -q is-active firewalld.service 2>/dev/null || echo 'firewall firewalld'
  ! has nft || nft list chains 2>/dev/null | awk '
    $1 == "table" { table = $2 " " $3 }
    /policy drop/ && match($0, /hook (input|forward)/) { print "drops", substr($0, RSTART + 5, RLENGTH - 5), table }'
  ! has iptables-legacy-save || iptables-legacy-save 2>/dev/null | sed -n 's/^:INPUT DROP .*/drops input ip filter/p'
  for target in $targets; do reach "${target%:*}" "${target#*:}" & done
  wait
}

# reach ADDRESS PORT: `refused` is the kernel's own answer, so the way is free; nobody needs to listen
reach() {
  said=$(timeout 3 bash -c ": </dev/tcp/$1/$2" 2>&1)
  case $?:$said in
    0:*) echo "reach $1 $2 open" ;;
    *refused*) echo "reach $1 $2 refused" ;;
    127:*) ;;
    *) echo "reach $1 $2 no" ;;
  esac
}

# Kernel settings as they will be read at boot: files in order of their names, the first directory that has a name (sysctl.d(5)).
settings() {
  for directory in /etc /run /usr/local/lib /usr/lib /lib; do
    for file in "$root$directory"/sysctl.d/*.conf; do
      [ ! -f "$file" ] || echo "${file##*/} $file"
    done
  done | sort -s -u -k 1,1 | while read -r _ file; do
    sed -n 's/^[[:space:]]*-\{0,1\}[[:space:]]*\([^#;=[:space:]][^=[:space:]]*\)[[:space:]]*=[[:space:]]*\(.*\)$/\1 \2/p' "$file" |
      sed "s,^,boot ${file#"$root"} ,"
  done
}

look() {
  the_host
  for path in /var/lib/containerd /var/lib/kubelet /var/lib/etcd /usr/local/bin; do space "$path"; done
  clusters
  programs
  containers
  pod_networks
  network
  settings
}
