#include "image/trust/gpg.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/strv.h"
#include "base/xalloc.h"
#include "codec/base64.h"
#include <errno.h>
#include <sys/mman.h>

#define TEXT_MAX    (1u << 20) /* of what is signed: a payload takes some hundred bytes */
#define STATUS_MARK "[GNUPG:] "
#define ARMOR_BEGIN "-----BEGIN PGP PUBLIC KEY BLOCK-----"
#define ARMOR_END   "-----END PGP PUBLIC KEY BLOCK-----"

/* --- keys --- */

/* The text of one armored block. *end: behind it. */
static int dearmor_block(const char *what, const char *begin, const char **end, struct strbuf *ret,
                         struct err *err)
{
	const char *body = strstr(begin, "\n\n"), *crlf = strstr(begin, "\n\r\n"), *stop, *crc;

	if (crlf && (!body || crlf < body))
		body = crlf;
	stop = body ? strstr(body, ARMOR_END) : NULL;
	if (!stop)
		return err_set(err, E_INVALID, "'%s': an armored key without its end", what);
	*end = stop + strlen(ARMOR_END);
	/* the check sum's line begins with '=', which padding never does */
	crc = strstr(body, "\n=");
	if (crc && crc < stop)
		stop = crc;
	if (base64_decode_lines(body, (size_t)(stop - body), ret) < 0)
		return err_set(err, E_INVALID, "'%s': an armored key that is no base64", what);
	return 0;
}

int gpg_dearmor(const char *what, const char *data, size_t len, struct strbuf *ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	const char *at;
	bool any = false;

	/* a packet's first byte has its high bit set, text has not */
	if (len && (unsigned char)data[0] & 0x80) {
		strbuf_add(ret, data, len);
		return 0;
	}
	text = xstrndup(data, len);
	for (at = text; (at = strstr(at, ARMOR_BEGIN)); any = true)
		if (dearmor_block(what, at, &at, ret, err) < 0)
			return -1;
	return any ? 0 : err_set(err, E_INVALID, "'%s' holds no OpenPGP key", what);
}

/* --- verifying --- */

/* What gpgv says about a message; of each kind how often. */
struct status {
	int texts, signatures, good, valid, bad;
	char *key;
};

static void read_status(char *line, struct status *s)
{
	static const char *const bad[] = { "BADSIG",    "ERRSIG",     "EXPSIG", "EXPKEYSIG",
		                           "REVKEYSIG", "NO_PUBKEY",  "NODATA", "UNEXPECTED",
		                           "FAILURE",   "KEYREVOKED", "ERROR" };
	char *rest = line + strcspn(line, " "), *last;

	if (*rest)
		*rest++ = '\0';
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		s->bad += strcmp(line, bad[i]) == 0;
	s->texts += strcmp(line, "PLAINTEXT") == 0;
	s->signatures += strcmp(line, "NEWSIG") == 0;
	s->good += strcmp(line, "GOODSIG") == 0;
	if (strcmp(line, "VALIDSIG") != 0)
		return;
	s->valid++;
	last = strrchr(rest, ' ');
	free(s->key);
	s->key = xstrdup(last ? last + 1 : rest);
}

static int judge(char *text, int exit_code, char **ret_key, struct err *err)
{
	struct status s = { 0 };
	const char *why = NULL;

	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (strncmp(line, STATUS_MARK, strlen(STATUS_MARK)) == 0)
			read_status(line + strlen(STATUS_MARK), &s);
	}
	if (s.signatures == 0)
		why = "it is no signed message";
	else if (s.signatures != 1 || s.texts != 1)
		why = "it holds more than one signature";
	else if (s.bad || s.good != 1 || s.valid != 1 || exit_code != 0)
		why = "not by a trusted key, or the key or the signature is expired or revoked";
	if (why) {
		free(s.key);
		return err_set(err, E_AUTH, "OpenPGP: %s", why);
	}
	*ret_key = s.key;
	return 0;
}

static int make_memfd(const void *data, size_t len, struct err *err)
{
	AUTO_FD fd = memfd_create("gpg", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : fd_write_all(fd, data, len);

	if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, r < 0 ? -r : errno, "memory for gpg");
	return TAKE_FD(fd);
}

int gpg_verify(const struct strbuf *keyring, const void *message, size_t len,
               struct strbuf *ret_text, char **ret_key, struct err *err)
{
	AUTO_FD keys = make_memfd(keyring->buf, keyring->len, err);
	AUTO_FD input = keys < 0 ? -1 : make_memfd(message, len, err);
	AUTO_FREE char *path = xasprintf("/proc/%d/fd/%d", (int)getpid(), keys);
	AUTO_BUF status = STRBUF_INIT;
	/* messages of its own would be mixed with the status lines */
	const char *argv[] = { "gpgv",        "--homedir", "/nonexistent", "--keyring", path,
		               "--status-fd", "2",         "--log-file",   "/dev/null", "--output",
		               "-",           NULL };
	struct proc_spec spec = { .argv = argv,
		                  .stdin_fd = input,
		                  .ret_out = ret_text,
		                  .ret_err = &status,
		                  .max_output_bytes = TEXT_MAX };
	int code;

	if (input < 0)
		return -1;
	if (proc_run(&spec, &code, err) < 0)
		return err_hint(err, "install Debian's package gpgv");
	if (ret_text->len >= TEXT_MAX || status.len >= TEXT_MAX)
		return err_set(err, E_LIMIT, "OpenPGP: the message is too large");
	return judge(status.buf, proc_exit_code(code), ret_key, err);
}

/* --- signing --- */

int gpg_sign(const char *key, const char *passphrase_file, const char *text,
             struct strbuf *ret_message, struct err *err)
{
	AUTO_FD input = make_memfd(text, strlen(text), err);
	AUTO_BUF complaint = STRBUF_INIT;
	AUTO_STRV argv = STRV_INIT;
	struct proc_spec spec = { .stdin_fd = input,
		                  .ret_out = ret_message,
		                  .ret_err = &complaint,
		                  .max_output_bytes = TEXT_MAX };
	int code;

	if (input < 0)
		return -1;
	strv_add(&argv, "gpg");
	strv_add(&argv, "--quiet");
	strv_add(&argv, "--yes");
	strv_add(&argv, "--no-armor");
	if (passphrase_file) {
		strv_add(&argv, "--batch");
		strv_add(&argv, "--pinentry-mode=loopback");
		strv_addf(&argv, "--passphrase-file=%s", passphrase_file);
	}
	/* the option's value, never an option itself */
	strv_addf(&argv, "--local-user=%s", key);
	strv_add(&argv, "--output=-");
	strv_add(&argv, "--sign");
	spec.argv = (const char *const *)argv.items;
	if (proc_run(&spec, &code, err) < 0)
		return err_hint(err, "install Debian's package gpg");
	if (proc_exit_code(code) != 0 || !ret_message->len) {
		complaint.buf[strcspn(complaint.buf, "\n")] = '\0';
		return err_set(err, E_AUTH, "sign as '%.100s': %.300s", key,
		               *complaint.buf ? complaint.buf : "gpg failed");
	}
	return 0;
}
