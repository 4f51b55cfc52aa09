// typage, the age of the browsers, as a command: keygen KIND OUT · seal RECIPIENT IN OUT · open IDENTITY IN OUT
import { readFileSync, writeFileSync } from "node:fs";
import * as age from "age-encryption";

const makers = { X25519: age.generateX25519Identity, mlkem768x25519: age.generateHybridIdentity };
const verbs = {
  async keygen(kind, out) {
    const identity = await makers[kind]();
    writeFileSync(out, `${identity}\n${await age.identityToRecipient(identity)}\n`);
  },
  async seal(recipient, from, to) {
    const sealer = new age.Encrypter();
    sealer.addRecipient(recipient);
    writeFileSync(to, await sealer.encrypt(readFileSync(from)));
  },
  async open(identity, from, to) {
    const opener = new age.Decrypter();
    opener.addIdentity(identity);
    writeFileSync(to, await opener.decrypt(readFileSync(from)));
  },
};
const [verb, ...told] = process.argv.slice(2);
await verbs[verb](...told);
