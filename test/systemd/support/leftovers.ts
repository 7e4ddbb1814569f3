/** Lists what a package, an agent or a K3s may leave on a host. */
export const LEFT = `
ls -d /etc/drover /var/lib/drover* /usr/lib/drover* /usr/bin/drover* /etc/systemd/system/k3s* 2>/dev/null
ls -d /var/lib/rancher* /etc/rancher* /run/k3s /run/flannel /var/lib/kubelet /var/lib/cni 2>/dev/null
ip netns list; grep -E " /(run/k3s|var/lib/kubelet)" /proc/mounts
getent passwd drover; getent group drover
systemctl list-units --all --plain --no-legend "drover*" "k3s*"
ip -o link show | grep -vE "lo:|eth0[:@]"
nft list tables
ps -e -o comm= | grep -E "^(node|MainThread|drover|postgres|wireguard|k3s)" || true`;

/** What a K3s with pods has on a machine and the stand-in has not; and two files of an operator's, one beside each of ours. */
export const PODS = `
shim=/var/lib/rancher/k3s/data/0ab/bin/containerd-shim-runc-v2
mkdir -p "\${shim%/*}" /run/k3s/containerd /run/flannel /var/lib/kubelet/pods/p1/token /var/lib/cni/networks/cbr0
cp /bin/sleep "$shim" && (setsid "$shim" 36000 </dev/null >/dev/null 2>&1 &)
mount -t tmpfs tmpfs /run/k3s/containerd && touch /run/k3s/containerd/busy
mount -t tmpfs tmpfs /var/lib/kubelet/pods/p1/token
ip link add cni0 type bridge; ip link add flannel.1 type bridge; ip netns add cni-1; ip netns add operators
ip link add veth1 type veth peer name eth0 netns cni-1; ip link set veth1 master cni0
nft add table ip kube-proxy; nft add table ip operators
printf '[Service]\\nEnvironment=HTTPS_PROXY=x\\n' >/etc/systemd/system/k3s-agent.service.d/proxy.conf
echo 'mirrors: {}' >/etc/rancher/k3s/registries.yaml`;
export const OPERATORS = ['/etc/systemd/system/k3s-agent.service.d/proxy.conf', '/etc/rancher/k3s/registries.yaml'];
