//! Images of a server, and what servers do.

use osb_flash::{Found, Place, SourceFailure, Trust};
use osb_testrepo::{Fault, Server, serve};

use crate::folder::{Folder, Image, gzip, look, noise, read, refused};

fn get(server: &Server, path: &str) -> Result<Found, osb_flash::SourceError> {
    look(&Place::Url(format!("{}{path}", server.url())))
}

#[test]
fn a_folder_gives_the_compressed_image() {
    let image = Image::new();
    let folder = image.folder();
    let server = serve(folder.path());
    let mut found = get(&server, "/").unwrap();
    assert_eq!((found.file.as_str(), found.trust), ("sd.img.zst", Trust::Ranges));
    assert_eq!(found.image.source.size(), Some(image.content.len() as u64));
    assert!(found.warnings[0].contains("a forged image will not"), "{:?}", found.warnings);
    assert!(read(&mut found).unwrap() == image.content);
    assert_eq!(server.count("disk.img"), 0);
    // The other one, by its name.
    let mut found = get(&server, "/disk.img").unwrap();
    assert!(found.image.map.is_some());
    assert!(read(&mut found).unwrap() == image.content);
}

#[test]
fn a_broken_connection_is_resumed_where_it_was() {
    let image = Image::new();
    let folder = image.folder();
    let server = serve(folder.path());
    let length = image.packed().len();
    server.inject("/sd.img.zst", &[Fault::CutAfter(length / 3), Fault::CutAfter(length / 3)]);
    let mut found = get(&server, "/").unwrap();
    assert!(read(&mut found).unwrap() == image.content);
    assert_eq!(server.count("sd.img.zst (range)"), 2);
    // A server that sends all of it again is as good, if it is the same file.
    server.inject("/disk.img", &[Fault::CutAfter(2 << 20), Fault::IgnoreRange]);
    let mut found = get(&server, "/disk.img").unwrap();
    assert!(read(&mut found).unwrap() == image.content);
}

#[test]
fn what_is_no_rest_of_the_file_is_not_taken() {
    let image = Image::new();
    let folder = image.folder();
    for fault in [Fault::WrongContentRange, Fault::WrongTotal, Fault::WrongTag, Fault::Status(503)]
    {
        // Once it is asked again.
        let server = serve(folder.path());
        server.inject("/disk.img", &[Fault::CutAfter(2 << 20), fault.clone()]);
        let mut found = get(&server, "/disk.img").unwrap();
        assert!(read(&mut found).unwrap() == image.content, "{fault:?}");
        // Not for ever.
        server.inject("/disk.img", &[Fault::CutAfter(2 << 20)]);
        server.inject("/disk.img", &vec![fault.clone(); 9]);
        let mut found = get(&server, "/disk.img").unwrap();
        let error = read(&mut found).unwrap_err().to_string();
        assert!(error.contains("attempts"), "{error}");
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_noticed() {
    let image = Image::new();
    let folder = image.folder();
    let server = serve(folder.path());
    // Further than is read ahead: it is changed before the connection breaks.
    let cut = Fault::CutAfter(12 << 20);
    let changed = (12 << 20) + 4000;
    server.inject("/disk.img", std::slice::from_ref(&cut));
    let mut found = get(&server, "/disk.img").unwrap();
    folder.damage("disk.img", changed);
    let error = read(&mut found).unwrap_err().to_string();
    assert!(error.contains("has changed while it was read"), "{error}");
    folder.damage("disk.img", changed);
    // A server that does not notice itself: the end does. (The engine does earlier, by the map.)
    server.inject("/disk.img", &[cut, Fault::IgnoreIfRange]);
    let mut found = get(&server, "/disk.img").unwrap();
    folder.damage("disk.img", changed);
    let error = read(&mut found).unwrap_err().to_string();
    assert!(error.contains("disk.img has SHA-256"), "{error}");
}

#[test]
fn lengths_that_are_lies_are_errors() {
    let image = Image::new();
    let folder = image.folder();
    let server = serve(folder.path());
    server.inject("/disk.img", &[Fault::Shorten(5 << 20)]);
    let (error, text) = refused(get(&server, "/disk.img"));
    assert_eq!(error.kind(), SourceFailure::Verification);
    assert!(text.contains("has 5242880 bytes, and metadata.json says"), "{text}");
    // No length is told, and there is more than should be.
    server.inject("/disk.img", &[Fault::Append(b"more".to_vec())]);
    let mut found = get(&server, "/disk.img").unwrap();
    let error = read(&mut found).unwrap_err().to_string();
    assert!(error.contains("to more than") || error.contains("were expected"), "{error}");
}

#[test]
fn over_http_something_must_say_what_it_should_be() {
    let (folder, content) = (Folder::new(), noise(100_000, 5));
    folder.write("disk.img", &content);
    folder.write("image.gz", &gzip(&content));
    let server = serve(folder.path());
    let (error, text) = refused(get(&server, "/disk.img"));
    assert_eq!(error.kind(), SourceFailure::Refused);
    assert!(text.contains("use https"), "{text}");
    folder.sum();
    let mut found = get(&server, "/disk.img").unwrap();
    assert_eq!(found.trust, Trust::Sum);
    assert!(read(&mut found).unwrap() == content);
    // A list that does not speak of it says nothing.
    assert_eq!(refused(get(&server, "/image.gz")).0.kind(), SourceFailure::Refused);
    // A digest that the user names.
    let url = format!("{}/image.gz", server.url());
    let options = |digest| (Place::Url(url.clone()), digest);
    for (place, digest) in [options(osb_checksum::sha256(&gzip(&content))), options([1; 32])] {
        let (stop, progress) = (std::sync::Arc::default(), |_, _| {});
        let options = osb_flash::SourceOptions {
            digest: Some(digest),
            keys: None,
            threads: 1,
            stop: &stop,
            progress: &progress,
            limits: crate::folder::limits(),
        };
        // Its end is reached while it is opened.
        match osb_flash::open(&place, &options) {
            Ok(mut found) => assert!(read(&mut found).unwrap() == content && digest != [1; 32]),
            Err(error) => {
                assert_eq!(error.kind(), SourceFailure::Verification);
                assert!(error.to_string().contains("has SHA-256"), "{error}");
            }
        }
    }
}

#[test]
fn what_is_missing_is_named_and_pages_are_no_images() {
    let folder = Folder::new();
    let server = serve(folder.path());
    let (error, text) = refused(get(&server, "/"));
    assert_eq!(error.kind(), SourceFailure::Input);
    assert!(text.contains("has no SHA256SUMS"), "{text}");
    let image = Image::new();
    let folder = image.folder();
    let server = serve(folder.path());
    folder.remove("sd.img.zst");
    let (error, text) = refused(get(&server, "/"));
    assert!(error.kind() == SourceFailure::Input && text.contains("does not exist"), "{text}");
    folder.damage("metadata.json", 30);
    let (error, text) = refused(get(&server, "/"));
    assert_eq!(error.kind(), SourceFailure::Verification);
    assert!(text.contains("metadata.json is not what SHA256SUMS says"), "{text}");
    // A page in the place of the list is no list.
    server.inject("/SHA256SUMS", &[Fault::Page("<!DOCTYPE html><html>log in</html>")]);
    let (error, text) = refused(get(&server, "/"));
    assert!(error.kind() == SourceFailure::Input && text.contains("no SHA256SUMS"), "{text}");
    // Nor is one an image.
    server.inject("/metadata.json", &[Fault::Status(404)]);
    server.inject("/disk.img", &[Fault::Page("<!DOCTYPE html><html>log in</html>")]);
    let (_, text) = refused(get(&server, "/disk.img"));
    assert!(text.contains("web page"), "{text}");
}

#[test]
fn redirects_are_followed_within_what_is_known() {
    let image = Image::new();
    let folder = image.folder();
    let server = serve(folder.path());
    server.inject("/sd.img.zst", &[Fault::Redirect("/sub/../disk.img".to_owned())]);
    assert!(get(&server, "/").is_err(), "another file than announced");
    server.inject("/sd.img.zst", &[Fault::Redirect(format!("{}/sd.img.zst", server.url()))]);
    assert!(read(&mut get(&server, "/").unwrap()).unwrap() == image.content);
    server.inject("/sd.img.zst", &[Fault::Redirect("file:///etc/passwd".to_owned())]);
    let (_, text) = refused(get(&server, "/"));
    assert!(text.contains("neither http nor https"), "{text}");
}
