/* gpg: OpenPGP messages, by the programs gpgv and gpg. Nothing of a message is parsed here. */
#pragma once
#include "base/err.h"
#include "base/strbuf.h"

/* keyring: the bytes of all trusted keys, binary (gpg_dearmor). The message must hold exactly one
 * signature, good, by one of them that is neither expired nor revoked: E_AUTH otherwise.
 * ret_text: what was signed. ret_key: fingerprint of the primary key; caller frees. */
int gpg_verify(const struct strbuf *keyring, const void *message, size_t len,
               struct strbuf *ret_text, char **ret_key, struct err *err);
/* Sign with the user's own gpg, whose agent asks for passphrases; or with those of a file. */
int gpg_sign(const char *key, const char *passphrase_file, const char *text,
             struct strbuf *ret_message, struct err *err);
/* Append keys to a keyring: armored ones become binary. E_INVALID when there is no key. */
int gpg_dearmor(const char *what, const char *data, size_t len, struct strbuf *ret,
                struct err *err);
