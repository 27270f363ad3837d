# kubeadm's configuration (v1beta4), as one text: JSON is a part of YAML, and what jq quotes is quoted
# well. Input: the configuration of setup.sh; $what is init or join; $secret, a list of one, has the token.
# What kubelet keeps back for the system, and when it removes images, is said by the image: files in
# /etc/kubernetes/kubelet.conf.d come after this.

def node: .node_config.node;

def registration: {
  name: node.hostname, criSocket: .runtime.socket,
  kubeletExtraArgs: (
    [node.ip | strings | {name: "node-ip", value: .}]
    + [node.labels // {} | select(. != {})
      | {name: "node-labels", value: (to_entries | map("\(.key)=\(.value)") | join(","))}])
};

def endpoint: {bindPort: 6443} + (node.ip | if . then {advertiseAddress: .} else {} end);

def joining: [{
    apiVersion: "kubeadm.k8s.io/v1beta4", kind: "JoinConfiguration",
    discovery: {bootstrapToken: {
      token: $secret[0].token, apiServerEndpoint: .cluster.endpoint, caCertHashes: $secret[0].ca_cert_hashes}},
    nodeRegistration: registration
  } + if node.role == "control-plane" then {controlPlane: {
    localAPIEndpoint: endpoint,
    certificateKey: ($secret[0].certificate_key // error("a control plane needs a certificate_key"))
  }} else {} end];

def making: [
  {
    apiVersion: "kubeadm.k8s.io/v1beta4", kind: "InitConfiguration",
    bootstrapTokens: [{token: $secret[0].token, ttl: "10m0s", usages: ["signing", "authentication"],
      groups: ["system:bootstrappers:kubeadm:default-node-token"]}],
    localAPIEndpoint: endpoint,
    nodeRegistration: registration
  },
  {
    apiVersion: "kubeadm.k8s.io/v1beta4", kind: "ClusterConfiguration",
    clusterName: .cluster.name, kubernetesVersion: .cluster.kubernetes_version,
    controlPlaneEndpoint: .cluster.endpoint,
    networking: {podSubnet: .cluster.pod_subnet, serviceSubnet: .cluster.service_subnet,
      dnsDomain: .cluster.dns_domain}
  },
  {
    apiVersion: "kubelet.config.k8s.io/v1beta1", kind: "KubeletConfiguration",
    cgroupDriver: "systemd", failSwapOn: true
  }
];

if $what == "init" then making else joining end | map(tojson) | join("\n---\n")
