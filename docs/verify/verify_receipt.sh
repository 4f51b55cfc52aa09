#!/bin/sh
# Check that an entry is in the audit log, with sed, xxd and openssl 3 and nothing of ours:
#   sh verify_receipt.sh receipt.tlog-proof entry.json log.vkey
# Formats: C2SP tlog-proof, tlog-checkpoint, signed-note. Tree: RFC 6962, RFC 9162 2.1.3.2.
set -eu
umask 077
LC_ALL=C
export LC_ALL

fail() { printf 'NOT PROVEN: %s\n' "$1" >&2; exit 1; }
hex() { printf '%s' "$1" | openssl base64 -d -A | xxd -p -c 256; }
sha256() { xxd -r -p | openssl dgst -sha256 -r | sed 's/ .*//'; }
node() { printf '01%s%s' "$1" "$2" | sha256; }
number() { # digits, no leading zero, small enough for the shell to count with
  case $1 in 0) ;; '' | 0* | *[!0-9]* | ???????????????????*) fail "$2 is no number" ;; esac
}
hash32() { # a hash in base64, as hex
  [ ${#1} -eq 44 ] || fail "$1 is no hash"
  out=$(hex "$1")
  [ ${#out} -eq 64 ] || fail "$1 is no hash"
  printf '%s' "$out"
}

[ $# -eq 3 ] || { printf 'usage: sh verify_receipt.sh RECEIPT ENTRY VKEY\n' >&2; exit 2; }
for file in "$@"; do [ -r "$file" ] || fail "cannot read $file"; done

# 1. The key is name+id+base64(01 || public key). Its id begins SHA-256(name, newline, the rest).
vkey=$(sed -n 1p "$3")
name=${vkey%%+*} rest=${vkey#*+}
id=${rest%%+*} key=$(hex "${rest#*+}")
case $key in 01*) ;; *) fail "the key is not Ed25519" ;; esac
[ ${#key} -eq 66 ] || fail "the key is not Ed25519"
own=$({ printf '%s\n' "$name" | xxd -p; printf '%s' "$key"; } | sha256)
case $own in "$id"*) [ ${#id} -eq 8 ] || fail "the key has no id" ;; *) fail "the key has another id" ;; esac

# 2. The receipt is a header and hashes, then a checkpoint of three lines, then signatures.
[ "$(sed -n 1p "$1")" = "c2sp.org/tlog-proof@v1" ] || fail "$1 is no receipt"
index=$(sed -n -e '/^$/q' -e 's/^index //p' "$1")
number "$index" "the index"
proof=$(sed -n -e '/^$/q' -e 1d -e '/^index /d' -e '/^extra /d' -e p "$1")
note=$(sed -e '1,/^$/d' "$1")
line() { printf '%s\n' "$note" | sed -n "$1"; }
origin=$(line 1p) size=$(line 2p) root=$(line 3p)
number "$size" "the size"
[ "$origin" = "$name" ] || fail "the checkpoint is of another log: $origin"
[ -z "$(line 4p)" ] || fail "the checkpoint has more than three lines"

# 3. The log signed the checkpoint: every signature of this key must fit, and there must be one.
work=${TMPDIR:-/tmp}/verify_receipt.$$
mkdir "$work"
trap 'rm -r "$work"' EXIT
printf '302a300506032b6570032100%s' "${key#01}" | xxd -r -p >"$work/key"
printf '%s\n%s\n%s\n' "$origin" "$size" "$root" >"$work/text"
signed=no
line '5,$p' >"$work/signatures"
while read -r mark who value; do
  [ "$mark" = "—" ] || fail "a signature line is malformed"
  value=$(hex "$value")
  [ "$who" = "$name" ] || continue
  case $value in "$id"*) ;; *) continue ;; esac
  printf '%s' "${value#"$id"}" | xxd -r -p >"$work/signature"
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key" -rawin -in "$work/text" \
    -sigfile "$work/signature" >"$work/answer" 2>&1 || fail "the signature does not fit"
  signed=yes
done <"$work/signatures"
[ $signed = yes ] || fail "the checkpoint is not signed by $name"

# 4. The entry's own leaf leads to the signed root (RFC 9162 2.1.3.2).
[ "$index" -lt "$size" ] || fail "the log has no entry $index"
acc=$({ printf '00'; xxd -p "$2"; } | sha256)
fn=$index sn=$((size - 1))
for step in $proof; do
  step=$(hash32 "$step")
  [ "$sn" -gt 0 ] || fail "the proof is too long"
  if [ $((fn & 1)) -eq 1 ] || [ "$fn" -eq "$sn" ]; then
    acc=$(node "$step" "$acc")
    while [ "$fn" -gt 0 ] && [ $((fn & 1)) -eq 0 ]; do fn=$((fn >> 1)) sn=$((sn >> 1)); done
  else
    acc=$(node "$acc" "$step")
  fi
  fn=$((fn >> 1)) sn=$((sn >> 1))
done
[ "$sn" -eq 0 ] || fail "the proof is too short"
[ "$acc" = "$(hash32 "$root")" ] || fail "the proof leads to another root"
printf 'PROVEN: the entry is number %s of %s in the log %s\n' "$index" "$size" "$origin"
