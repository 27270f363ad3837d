//! One boot of the real `disk.img`: log in with an injected key, wait for `running`, switch off.

use anyhow::{bail, ensure};
use osb_boot::Tools;

use crate::guest::{Disk, Guest};
use crate::project::{Image, Project};
use crate::steps::Steps;

/// Boots `disk.img` and looks at the running system.
pub(crate) fn check(steps: &mut Steps, project: &Project, tools: &Tools, image: &Image) {
    if let Some(guest) = start(steps, project, tools, image) {
        stop(steps, guest);
    }
}

/// Boots `disk.img` until the system runs.
pub(crate) fn start<'a>(
    steps: &mut Steps,
    project: &Project,
    tools: &'a Tools,
    image: &Image,
) -> Option<Guest<'a>> {
    let guest = steps.run("boot to an ssh login", || {
        let mut guest = Guest::boot(project, tools, image, Disk::Untouched)?;
        let login = guest.wait_for_login()?;
        let prompt = guest.prompt.try_recv().ok();
        let prompt =
            prompt.map(|time| format!("console prompt after {:.1} s, ", time.as_secs_f64()));
        let text = format!("{}ssh after {:.1} s", prompt.unwrap_or_default(), login.as_secs_f64());
        Ok((guest, text))
    });
    let guest = guest?;
    steps.run("systemctl is-system-running", || {
        // A degraded system makes systemctl fail; which units did is the next step's to tell.
        let state = guest.ssh("systemctl is-system-running --wait || true")?;
        ensure!(state.trim() == "running", "the system is {}", state.trim());
        let figures = guest.ssh("systemd-analyze time --no-pager | head -n1 || true")?;
        Ok((
            (),
            format!(
                "running after {:.1} s; {}",
                guest.started.elapsed().as_secs_f64(),
                figures.trim()
            ),
        ))
    });
    steps.run("systemctl --failed", || {
        let failed = guest.ssh("systemctl --failed --no-legend --plain --no-pager")?;
        if !failed.trim().is_empty() {
            let units = "systemctl --failed --no-legend --plain | cut -d' ' -f1";
            let log = guest.ssh(&format!(
                "for unit in $({units}); do sudo journalctl -b --no-pager -n 20 -u $unit; done"
            ));
            bail!("failed units:\n{failed}\n{}", log.unwrap_or_default());
        }
        Ok(((), "none".to_owned()))
    });
    Some(guest)
}

/// Switches the guest off.
pub(crate) fn stop(steps: &mut Steps, mut guest: Guest<'_>) {
    steps.run("switch off", || {
        // The connection ends before the command does.
        let _ = guest.ssh("sudo systemctl poweroff");
        let time = guest.wait_for_end()?;
        Ok(((), format!("{:.1} s", time.as_secs_f64())))
    });
}
