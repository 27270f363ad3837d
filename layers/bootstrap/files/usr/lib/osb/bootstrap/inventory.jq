# What an inventory (nodes.yaml) says of one machine.
# The format is that of docs/node.md, where osb checks it with line and column; here only what this
# machine relies on is. Input: the inventory; $identity is the machine. Output: one object with `problem` (text), or with
# `entry` and `default`, each of which may be null, and `near`: entries of which only a part fits.
# All values are text (see to-json).

include "machine";

def name: . != "localhost" and test("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\z");
def must(rule; $text): if rule then empty else $text end;

def problems($what; $known):
  if type != "object" then "\($what) must be keys with values"
  else
    ((keys - $known)[] | "\($what): unknown key \(.)"),
    (del(.labels) | to_entries[] | must(.value | type == "string"; "\($what): \(.key) must be text")),
    must((.labels // {}) | type == "object" and ([.[] | type == "string"] | all); "\($what): labels must be names with text"),
    must((.role // "worker") | IN("control-plane", "worker"); "\($what): role must be control-plane or worker")
  end;

def entry_problems($what):
  first(
    problems($what; ["mac", "serial", "hostname", "role", "ip", "labels"]),
    must(has("mac") or has("serial"); "\($what): neither mac nor serial"),
    must((.mac // "00:00:00:00:00:00") | mac | test("^([0-9a-f]{2}:){5}[0-9a-f]{2}\\z"); "\($what): mac must be six bytes in hex"),
    # It would be every machine that has none.
    must(.serial != ""; "\($what): serial is empty"),
    must((.hostname // "") | type == "string" and name; "\($what): hostname is missing or not a name")
  );

def problem:
  if type != "object" then "it must have `nodes:` and may have `default:`"
  else first(
    ((keys - ["nodes", "default"])[] | "unknown key \(.)"),
    must((.nodes // []) | type == "array"; "nodes must be a list"),
    ((.nodes // []) | to_entries[] | .key as $at | .value | entry_problems("entry \($at + 1)")),
    ((.default // {}) | problems("default"; ["role", "hostname_prefix", "auto_register", "labels"])),
    must((.default // {}).auto_register // "false" | ascii_downcase | IN("true", "false", "yes", "no");
      "default: auto_register must be true or false"),
    must((.default // {}).hostname_prefix // "node-" | test("^[a-z0-9][a-z0-9-]{0,55}\\z");
      "default: hostname_prefix must be lower-case letters, digits and dashes")
  ) end;

([problem][0]) as $problem
| if $problem then {problem: $problem}
  else
    [(.nodes // [])[] | select(fits($identity) | all)] as $all
    | [(.nodes // [])[] | select(fits($identity) | any and (all | not)) | .hostname] as $near
    | if ($all | length) > 1 then {problem: "more than one entry is this machine: \([$all[].hostname] | join(", "))"}
      else {
        entry: (if $all[0] then {role: ((.default // {}).role // "worker")} + $all[0] else null end),
        default: .default, near: $near
      } end
  end
