//! Signatures of minisign and SSH, their public keys, and the manifest of a file in parts: nothing but
//! what the key has signed is verified, and what is written is read back.

use osb_release::Manifest;
use osb_sign::made::pair;
use osb_sign::{Keys, Kind, SecretKey};

use crate::Target;
use crate::seeds::{long, texts};

/// What is signed.
const MESSAGE: &[u8] = b"0123  disk.img\n";

pub(crate) const SIGNATURE: Target = Target {
    name: "minisig",
    about: "minisign and SSH signatures; what verifies was signed by the key",
    run: signature,
    seeds: signatures,
    words: &[
        "untrusted comment: ",
        "trusted comment: ",
        "-----BEGIN SSH SIGNATURE-----\n",
        "-----END SSH SIGNATURE-----\n",
        "U1NIU0lH",
    ],
};

pub(crate) const KEYS: Target = Target {
    name: "public-keys",
    about: "public keys of minisign and OpenSSH, allowed_signers; none is a signature's by chance",
    run: keys,
    seeds: public_keys,
    words: &[
        "ssh-ed25519 ",
        "namespaces=\"file\" ",
        "cert-authority ",
        "untrusted comment: ",
        "RWQ",
    ],
};

pub(crate) const PARTS: Target = Target {
    name: "parts",
    about: "the manifest of a file in parts; what is written is read back, sizes add up",
    run: parts,
    seeds: manifests,
    words: &["\"parts\"", "\"sha256\"", "\"size\"", "disk.img.part-000", "schema_version"],
};

fn secret(kind: Kind) -> SecretKey {
    SecretKey::read(&pair(kind, 1, None).secret, None).unwrap()
}

fn signature(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for kind in Kind::ALL {
        let keys = Keys::read(&pair(kind, 1, None).public).unwrap();
        // Ed25519 is deterministic: there is one signature of one message and comment by one key.
        if let Ok(signer) = keys.verify(MESSAGE, &text) {
            let again = secret(kind).sign(MESSAGE, &signer.comment).unwrap();
            assert_eq!(keys.verify(MESSAGE, &again).unwrap().key, signer.key);
        }
        assert!(keys.verify(b"something else", &text).is_err());
    }
}

fn signatures() -> Vec<Vec<u8>> {
    let sign = |kind| secret(kind).sign(MESSAGE, "timestamp:5\tfile:SHA256SUMS").unwrap();
    let mut seeds = texts([sign(Kind::Minisign).as_str(), &sign(Kind::Ssh)]);
    seeds.push(long("-----BEGIN SSH SIGNATURE-----\n", "U1NIU0lH#\n", ""));
    seeds.push(long("untrusted comment: \n", "RUQ#", "\n"));
    seeds
}

fn keys(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = SecretKey::is_encrypted(&text);
    let Ok(keys) = Keys::read(&text) else { return };
    assert!(!keys.names().is_empty());
}

fn public_keys() -> Vec<Vec<u8>> {
    let public = |kind| pair(kind, 1, None).public;
    let ssh = public(Kind::Ssh);
    let mut seeds = texts([
        public(Kind::Minisign).as_str(),
        &ssh,
        &format!("# x\na,b namespaces=\"git,file\" {ssh}\"c d\" {ssh}"),
        &pair(Kind::Ssh, 1, None).secret,
        &pair(Kind::Minisign, 1, None).secret,
    ]);
    seeds.push(long("", "a# namespaces=\"git\" ssh-ed25519 AAAA\n", ""));
    seeds
}

fn parts(bytes: &[u8]) {
    let Ok(manifest) = Manifest::read("disk.img", bytes) else { return };
    assert_eq!(manifest.parts.iter().map(|part| part.size).sum::<u64>(), manifest.size);
    for part in &manifest.parts {
        assert!(!part.name.contains('/') && osb_release::is_of("disk.img", &part.name));
    }
    let again = Manifest::read("disk.img", manifest.to_json().as_bytes()).unwrap();
    assert_eq!(again, manifest);
}

fn manifests() -> Vec<Vec<u8>> {
    let digest = "0123456789abcdef".repeat(4);
    let head = format!(
        "{{\"schema_version\":1,\"name\":\"disk.img\",\"size\":7,\"sha256\":\"{digest}\",\"parts\":["
    );
    let part = |number: u32, size: u32| {
        format!(
            "{{\"name\":\"disk.img.part-{number:03}\",\"size\":{size},\"sha256\":\"{digest}\"}}"
        )
    };
    let mut seeds = texts([format!("{head}{},{}]}}", part(0, 4), part(1, 3)).as_str()]);
    seeds.push(long(&head, &format!("{},", part(0, 7)), "null]}"));
    seeds
}
