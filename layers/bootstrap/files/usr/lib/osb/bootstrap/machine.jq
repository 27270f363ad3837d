# What the readers of inventories share.

# A MAC address as the kernel writes it.
def mac: ascii_downcase | gsub("-"; ":");

# Input: an object that may have `mac` and `serial`. Output: for each that is there, whether it is
# that of $identity.
def fits($identity): [
    (if has("mac") then (.mac | mac) as $mac | ($identity.macs // []) | any(. == $mac) else empty end),
    (if has("serial") then (.serial | ascii_downcase) == (($identity.serial // "") | ascii_downcase) else empty end)
  ];

# Input: the `default` of an inventory. Whether machines that are not in the list may join.
def registers: .auto_register // "false" | ascii_downcase | IN("true", "yes");
