//! Stand-ins of the Kubernetes project's packages, in a signed repository: what they do to the
//! machine is what the real ones do, but for the cluster.

use osb_testrepo::{Deb, Key, Server, Suite, TestRepo, serve};

use crate::kubernetes;

/// The version of all of them.
pub(super) const VERSION: &str = "1.36.2";

/// The repository, served.
#[derive(Debug)]
pub(super) struct Packages {
    server: Server,
    key: Key,
    _folder: TestRepo,
}

impl Packages {
    pub(super) fn serve() -> Self {
        let key = Key::new(9);
        let folder = TestRepo::new();
        let program = |package: &str, name: &str, text: &str| {
            Deb::new(package, &format!("{VERSION}-1.1"), "arm64")
                .directory("usr", 0o755)
                .directory("usr/bin", 0o755)
                .file(&format!("usr/bin/{name}"), 0o755, text)
        };
        let units = "usr/lib/systemd/system";
        // What else it has is as in cmd/krel/templates/latest/kubelet/kubelet.spec of
        // github.com/kubernetes/release, whose `%systemd_post` enables the unit.
        let kubelet = program("kubelet", "kubelet", include_str!("guest/kubelet"))
            .file(&format!("{units}/kubelet.service"), 0o600, include_str!("guest/kubelet.service"))
            .file("etc/default/kubelet", 0o644, "KUBELET_EXTRA_ARGS=\n")
            .file("etc/kubernetes/manifests/.kubelet-keep", 0o644, "")
            .file("var/lib/kubelet/.kubelet-keep", 0o644, "")
            .control_file("conffiles", 0o644, "/etc/default/kubelet\n")
            .script(
                "postinst",
                "#!/bin/sh\nset -e\ndeb-systemd-helper enable kubelet.service >/dev/null\n",
            );
        let kubeadm = program("kubeadm", "kubeadm", include_str!("guest/kubeadm"))
            .field("Depends", "kubelet, kubectl, cri-tools")
            .file(
                &format!("{units}/kubelet.service.d/10-kubeadm.conf"),
                0o644,
                include_str!("guest/10-kubeadm.conf"),
            );
        let suite = Suite::flat("/")
            .architectures(&["arm64"])
            .signed_by(&key)
            .package("", kubelet)
            .package("", kubeadm)
            .package("", program("kubectl", "kubectl", include_str!("guest/kubectl")))
            .package("", program("cri-tools", "crictl", include_str!("guest/crictl")));
        folder.write(&suite);
        folder.put("Release.key", key.armored().as_bytes());
        let server = serve(folder.path());
        Self { server, key, _folder: folder }
    }

    /// What `--set` needs for an image with them.
    pub(super) fn settings(&self) -> Vec<String> {
        let mut settings = vec!["kubernetes.upstream=1.36".to_owned()];
        settings.extend(kubernetes::settings(&self.server, &self.key));
        settings
    }
}
