# The settings: $defaults, which has every key there is, changed by the image's bootstrap.toml ($image),
# changed by the node.toml ($node, in a list) with settings whose keys begin with `bootstrap.`.
#
# Output: a line that says what is wrong, most basic things first, or an empty one; a line with the
# settings; a line `KEY<tab>VALUE` for each.

# \\z, not $: that one matches before a last line break, too.
def https: test("^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/%+-]*)?\\z");
# SHA-1: git's repositories with SHA-256 are not read here.
def id: test("^[0-9a-f]{40}\\z");
def must(rule; $text): if rule then empty else $text end;

def shape:
  . as $all
  | (keys - ($defaults | keys))[] | "unknown table bootstrap.\(.)";

def tables:
  to_entries[] | .key as $table | .value as $value
  | if $value | type != "object" then "\($table) must be a table"
    else $value | to_entries[] | .key as $key
      | if $defaults[$table] | has($key) | not then "unknown key \($table).\($key)"
        elif ($defaults[$table][$key] | type) != (.value | type) then
          "\($table).\($key) must be \(if $table == "limits" then "a number" else "text" end)"
        elif $table == "limits" and (.value < 0 or .value > 86400 or .value != (.value | floor)) then
          "limits.\($key) must be a whole number up to 86400"
        else empty end
    end;

def values:
  . as {$source, $configuration, $hostname, $limits}
  | must($source.kind | IN("git", "tarball"); "source.kind must be git or tarball"),
    must($source.url | . == "" or https;
      "source.url must be https://, without user, query or fragment"),
    must($source.ref | id or (test("^refs/(heads|tags)/[A-Za-z0-9][A-Za-z0-9._/-]*\\z") and (contains("..") | not));
      "source.ref must be refs/heads/NAME, refs/tags/NAME or the whole id of a commit (SHA-1, 40 digits)"),
    must($source.floor | . == "" or if $source.kind == "git" then id else test("^[0-9]+([.][0-9]+)*\\z") end;
      "source.floor must be the whole id of a commit (SHA-1, 40 digits), or for a tarball a version such as 1.4"),
    must($source.sha256 | . == "" or test("^[0-9a-f]{64}\\z"); "source.sha256 must be 64 hex digits"),
    must($configuration.from | IN("inventory", "server", "hybrid");
      "configuration.from must be inventory, server or hybrid"),
    must($configuration.endpoint | . == "" or https;
      "configuration.endpoint must be https://, without user, query or fragment"),
    must($configuration.from == "inventory" or $configuration.endpoint != "";
      "configuration.endpoint is missing"),
    must($hostname.unknown | IN("mac", "dhcp"); "hostname.unknown must be mac or dhcp"),
    must($hostname.prefix | test("^[a-z0-9][a-z0-9-]{0,55}\\z");
      "hostname.prefix must be at most 56 lower-case letters, digits and dashes"),
    must($limits.pause <= 3600; "limits.pause must be at most 3600"),
    must($limits.tries | . >= 1 and . <= 20; "limits.tries must be 1 to 20"),
    must($limits.fetch >= 1 and $limits.setup >= 1;
      "limits.fetch and limits.setup must be at least 1");

# Tables of settings by their dotted keys.
def nested: reduce to_entries[] as {$key, $value} ({};
  setpath($key | split("."); if $value | type == "object" then $value | nested else $value end));

# Numbers may come as text from a command line.
def typed: if .limits | type == "object"
  then .limits |= (to_entries | map(.value = ((.value | tonumber?) // .value)) | from_entries)
  else . end;

# What an image pins is not for one node to lift.
def pins($told):
  ("floor", "sha256") as $key
  | ($image.source | objects | .[$key] // "" | select(. != "")) as $pinned
  | must((($told.source | objects | .[$key]) // $pinned) == $pinned;
      "source.\($key) is the image's: osb/node.toml cannot change it");

(($node[0].settings // {}) | nested | .bootstrap // {}) as $told
| ($defaults * $image * $told | typed) as $settings
| ([first(($settings | shape, tables, values), pins($told))][0] // ""),
  ($settings | tojson),
  ($settings | to_entries[] | .key as $table | .value | objects | to_entries[] | "\($table).\(.key)\t\(.value)")
