//! Everything that is not the node: keys, repository, server, and the image that knows them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use osb_boot::Tools;
use serde_json::{Value, json};

use super::authority::{Authority, Validity};
use super::container;
use super::git::Id;
use super::packages::Packages;
use super::scripts::{PATH, Scripts, Signer};
use super::server::Server;
use crate::project::{Image, Project};
use crate::steps::show;
use crate::test::clear;

/// This machine, as guests of QEMU's user network see it.
const HOST: &str = "10.0.2.2";
/// What nodes get to join with.
pub(super) const TOKEN: &str = "abcdef.0123456789abcdef";
pub(super) const HASH: &str =
    "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// The layer that makes the image one of this site.
const LAYER: &str = "e2e";
const DAY: u64 = 24 * 60 * 60;

/// The site.
pub(super) struct Site<'a> {
    pub(super) project: &'a Project,
    pub(super) tools: &'a Tools,
    /// The image that knows this site.
    pub(super) image: Image,
    pub(super) server: Server,
    pub(super) scripts: Scripts,
    pub(super) authority: Authority,
    /// One that no node knows.
    pub(super) stranger: Authority,
    /// Where everything of it lies.
    pub(super) folder: PathBuf,
    /// The time that the image takes for the earliest possible, in seconds since 1970.
    pub(super) epoch: u64,
}

impl<'a> Site<'a> {
    /// Makes keys and scripts, starts the server, builds the image.
    pub(super) fn new(
        project: &'a Project,
        tools: &'a Tools,
        default: &Image,
    ) -> Result<(Self, String)> {
        let folder = project.work.join("e2e");
        let keys = folder.join("keys");
        fs::create_dir_all(&keys).with_context(|| format!("making {}", keys.display()))?;
        let authority = Authority::kept(&keys, "bootstrap authority")?;
        let stranger = Authority::new("stranger")?;
        let signer = Signer::kept(tools, &keys, "signer")?;
        let other = Signer::kept(tools, &keys, "stranger")?;
        // The same as last time if it is free: then the image is the same, too.
        let port = fs::read_to_string(keys.join("port")).ok().and_then(|port| port.parse().ok());
        let always = Validity { from: 0, to: 100 * 365 * DAY };
        let server = Server::start(port.unwrap_or(0), authority.server(HOST, always)?)?;
        fs::write(keys.join("port"), server.port.to_string())?;
        let address = format!("{HOST}:{}", server.port);
        let scripts = Scripts::new(project, tools, [&signer, &other], &address)?;
        let image = Image {
            name: "e2e".to_owned(),
            recipe: default.recipe.clone(),
            out: project.work.join("out/e2e"),
        };
        let mut site =
            Self { project, tools, image, server, scripts, authority, stranger, folder, epoch: 0 };
        site.build(default, &signer)?;
        let metadata = fs::read_to_string(site.image.out.join("metadata.json"))?;
        let metadata: Value = serde_json::from_str(&metadata)?;
        site.epoch = metadata["source_date_epoch"].as_u64().context("metadata has no time")?;
        let archive = container::archive(&site.image.out.join("disk.img"))?;
        let text = format!(
            "{} packages; the container's archive has {} KiB",
            metadata["packages"].as_array().map_or(0, Vec::len),
            archive.len() >> 10
        );
        let join = json!({"token": TOKEN, "ca_cert_hashes": [HASH]}).to_string();
        let mut state = site.server.state();
        state.files.insert("/image.tar".to_owned(), archive.into());
        state.files.insert("/join".to_owned(), join.into_bytes().into());
        state.files.insert("/livez".to_owned(), b"ok".as_slice().into());
        drop(state);
        Ok((site, text))
    }

    /// The URL of the repository, as the image has it.
    pub(super) fn url(&self) -> String {
        format!("https://{}{PATH}", self.address())
    }

    /// Where guests find the server.
    pub(super) fn address(&self) -> String {
        format!("{HOST}:{}", self.server.port)
    }

    /// All is well, and the branch is at `tip`; what came in so far is forgotten.
    pub(super) fn serve(&mut self, tip: &Id) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        // A guest's clock may be this machine's, or the image's.
        self.certify(Validity {
            from: self.epoch.min(now) - DAY,
            to: self.epoch.max(now) + 30 * DAY,
        })?;
        let served = self.scripts.served(tip);
        let mut state = self.server.state();
        state.files.extend(served);
        state.admits = true;
        state.nodes.clear();
        state.reports.clear();
        state.requests.clear();
        drop(state);
        self.server.up()
    }

    /// The same, but the tip's object has other bytes.
    pub(super) fn tamper(&mut self, tip: &Id) -> Result<()> {
        self.serve(tip)?;
        let served = self.scripts.tampered(tip)?;
        self.server.state().files.extend(served);
        Ok(())
    }

    /// The server shows a certificate of the right authority, valid at these times.
    pub(super) fn certify(&self, validity: Validity) -> Result<()> {
        self.server.state().tls = self.authority.server(HOST, validity)?;
        Ok(())
    }

    /// The server shows a certificate of an authority that no node knows.
    pub(super) fn impersonate(&self) -> Result<()> {
        let validity = Validity { from: self.epoch - DAY, to: self.epoch + 3650 * DAY };
        self.server.state().tls = self.stranger.server(HOST, validity)?;
        Ok(())
    }

    /// What the node sent below `/report/`.
    pub(super) fn report(&self, name: &str) -> Result<Value> {
        let state = self.server.state();
        let Some(bytes) = state.reports.get(name) else {
            bail!("the node sent no {name}; it asked: {}", state.requests.join(", "));
        };
        serde_json::from_slice(bytes).with_context(|| format!("the node's {name}"))
    }

    /// The default recipe with one more layer, and with the stand-ins of kubeadm and its kin.
    fn build(&self, default: &Image, signer: &Signer) -> Result<()> {
        let own = self.folder.join("project");
        clear(&own)?;
        let recipe = default.recipe.parent().context("the recipe lies in a folder")?;
        show(Command::new("cp").arg("-a").arg(recipe).arg(&own))?;
        self.lay(&own.join("layers").join(LAYER), signer)?;
        let packages = Packages::serve();
        let mut command = self.project.osb(&["build", "--only", "disk", "--quiet", "--recipe"]);
        command.arg(own.join("osb.toml")).arg("--output").arg(&self.image.out);
        let layers = format!(r#"image.layers=["base","bootstrap","k8s-prereq","{LAYER}"]"#);
        for setting in packages.settings().iter().chain([&layers]) {
            command.args(["--set", setting]);
        }
        show(&mut command)
    }

    /// The layer: where the scripts are and whom to trust.
    fn lay(&self, layer: &Path, signer: &Signer) -> Result<()> {
        let osb = layer.join("files/etc/osb");
        let clock = layer.join("files/etc/systemd/timesyncd.conf.d");
        for folder in [&osb.join("bootstrap"), &clock] {
            fs::create_dir_all(folder)?;
        }
        let description = "description = \"A site to test the first boot with.\"\n";
        fs::write(layer.join("layer.toml"), format!("{description}requires = [\"k8s-prereq\"]\n"))?;
        let (url, floor) = (self.url(), &self.scripts.floor);
        // Nobody tells these guests the time: five seconds are enough to know that.
        let limits = "[limits]\nclock = 5\npause = 5\n";
        let text = format!("[source]\nurl = \"{url}\"\nfloor = \"{floor}\"\n{limits}");
        fs::write(osb.join("bootstrap.toml"), text)?;
        fs::write(osb.join("bootstrap/allowed_signers"), signer.allowed()?)?;
        fs::write(osb.join("bootstrap/ca.pem"), &self.authority.pem)?;
        // TEST-NET-1 (RFC 5737): on a machine with a network, Debian's servers would answer.
        fs::write(clock.join("e2e.conf"), "[Time]\nNTP=192.0.2.1\nFallbackNTP=\n")?;
        Ok(())
    }
}
