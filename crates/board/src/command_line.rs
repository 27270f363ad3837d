//! The kernel command line.

use crate::error::BoardError;

/// The command line: where the root is, the consoles, then what layers and recipe add.
///
/// The last console is `/dev/console`, where systemd reports; so it is the serial one.
///
/// # Errors
/// An argument with a space or line end in it: it would become two.
pub(crate) fn command_line(
    root_partuuid: &str,
    consoles: &[&str],
    more: &[String],
) -> Result<String, BoardError> {
    let bad = |reason: String| Err(BoardError::CommandLine { reason });
    if root_partuuid.is_empty()
        || !root_partuuid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
    {
        return bad(format!("not the identifier of a partition: {root_partuuid:?}"));
    }
    let mut arguments = vec![
        format!("root=PARTUUID={root_partuuid}"),
        "rootfstype=ext4".to_owned(),
        "rw".to_owned(),
        "rootwait".to_owned(),
    ];
    arguments.extend(consoles.iter().map(|console| format!("console={console}")));
    for argument in more {
        if argument.is_empty() || !argument.bytes().all(|b| b.is_ascii_graphic()) {
            return bad(format!("not one argument: {argument:?}"));
        }
        arguments.push(argument.clone());
    }
    Ok(arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use super::command_line;

    #[test]
    fn arguments_stay_single() {
        let line = command_line("ab-01", &["tty0", "ttyS0"], &["quiet".to_owned()]).unwrap();
        assert_eq!(
            line,
            "root=PARTUUID=ab-01 rootfstype=ext4 rw rootwait console=tty0 console=ttyS0 quiet"
        );
        assert!(command_line("ab", &[], &["a b".to_owned()]).is_err());
        assert!(command_line("ab", &[], &["a\nb".to_owned()]).is_err());
        assert!(command_line("ab init=/bin/sh", &[], &[]).is_err());
    }
}
