#include "registry/auth.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "codec/digest.h"
#include <crypt.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <strings.h>

#define REMEMBERED  64
#define REMEMBER_MS (5 * 60 * 1000)
#define HEADER_MAX  4096
#define BCRYPT_LEN  60
/* Of nobody's password: what an unknown user's attempt is compared with. */
#define DECOY_SETTING "$2b$10$abcdefghijklmnopqrstuu"

struct memory {
	struct digest key; /* of the process's secret, user, hash and password */
	int64_t until_ms;
};

struct auth {
	char *path;
	char *(*crypt)(const char *phrase, const char *setting, struct crypt_data *data);
	uint8_t secret[32];
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t idle;
	int hashing;
	struct auth_user *users;
	size_t n_users;
	struct memory memory[REMEMBERED];
	size_t next;
};

/* --- the file --- */

void auth_users_free(struct auth_user *users, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(users[i].name);
		free(users[i].hash);
	}
	free(users);
}

static bool is_bcrypt(const char *hash)
{
	static const char alphabet[] =
		"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	return strlen(hash) == BCRYPT_LEN && hash[0] == '$' && hash[1] == '2' &&
	       strchr("aby", hash[2]) && hash[3] == '$' && hash[4] >= '0' && hash[4] <= '1' &&
	       hash[5] >= '0' && hash[5] <= '9' && hash[6] == '$' &&
	       strspn(hash + 7, alphabet) == BCRYPT_LEN - 7;
}

static int parse_line(const char *what, int line_no, char *line, struct auth_user *ret,
                      struct err *err)
{
	char *colon = strchr(line, ':');
	size_t len = colon ? (size_t)(colon - line) : 0;

	if (!colon || len == 0 || len > AUTH_USER_MAX)
		return err_set(err, E_INVALID, "%s: line %d is not NAME:HASH", what, line_no);
	if (!is_bcrypt(colon + 1)) {
		err_set(err, E_INVALID, "%s: line %d: the password of '%.*s' is not a bcrypt hash",
		        what, line_no, (int)len, line);
		return err_hint(err, "make it with 'htpasswd -B'");
	}
	ret->name = xstrndup(line, len);
	ret->hash = xstrdup(colon + 1);
	return 0;
}

int auth_parse(const char *what, const char *text, struct auth_user **ret, size_t *ret_n,
               struct err *err)
{
	struct auth_user *users = NULL;
	size_t n = 0;
	int line_no = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");
		AUTO_FREE char *line = xstrndup(text, len);
		struct auth_user user;

		text += len;
		text += *text == '\n';
		line_no++;
		if (len && line[len - 1] == '\r')
			line[len - 1] = '\0';
		if (!*line || *line == '#')
			continue;
		if (n == AUTH_USERS_MAX)
			err_set(err, E_LIMIT, "%s: more than %d users", what, AUTH_USERS_MAX);
		if (n == AUTH_USERS_MAX || parse_line(what, line_no, line, &user, err) < 0) {
			auth_users_free(users, n);
			return -1;
		}
		VEC_PUSH(users, n, user);
	}
	*ret = users;
	*ret_n = n;
	return 0;
}

int auth_reload(struct auth *auth, struct err *err)
{
	AUTO_FREE char *text = NULL;
	struct auth_user *users, *old;
	size_t len, n, n_old;

	if (file_read_at(AT_FDCWD, auth->path, AUTH_FILE_MAX, &text, &len, err) < 0)
		return err_ctx(err, "read passwords");
	if (memchr(text, '\0', len))
		return err_set(err, E_INVALID, "%s: it has a NUL in it", auth->path);
	if (auth_parse(auth->path, text, &users, &n, err) < 0)
		return -1;
	if (n == 0) {
		free(users);
		return err_set(err, E_INVALID, "%s: no user in it, so nobody could log in",
		               auth->path);
	}
	pthread_mutex_lock(&auth->lock);
	old = auth->users;
	n_old = auth->n_users;
	auth->users = users;
	auth->n_users = n;
	memset(auth->memory, 0, sizeof(auth->memory));
	pthread_mutex_unlock(&auth->lock);
	auth_users_free(old, n_old);
	return 0;
}

int auth_new(const char *path, struct auth **ret, struct err *err)
{
	AUTO(auth_freep) struct auth *auth = xcalloc(1, sizeof(*auth));
	void *library = dlopen("libcrypt.so.1", RTLD_NOW | RTLD_LOCAL);
	void *symbol = library ? dlsym(library, "crypt_r") : NULL;

	pthread_mutex_init(&auth->lock, NULL);
	pthread_cond_init(&auth->idle, NULL);
	auth->path = xstrdup(path);
	random_bytes(auth->secret, sizeof(auth->secret));
	if (!symbol) {
		err_set(err, E_UNSUPPORTED, "checking passwords needs libcrypt: %s", dlerror());
		return err_hint(err, "install Debian's package libcrypt1");
	}
	memcpy(&auth->crypt, &symbol, sizeof(symbol));
	if (auth_reload(auth, err) < 0)
		return -1;
	*ret = TAKE_PTR(auth);
	return 0;
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	auth_users_free(auth->users, auth->n_users);
	pthread_cond_destroy(&auth->idle);
	pthread_mutex_destroy(&auth->lock);
	free(auth->path);
	free(auth);
}

/* --- the header --- */

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* NULL when it is not base64 or holds a NUL. Caller frees. */
static char *base64_text(const char *s)
{
	AUTO_BUF out = STRBUF_INIT;
	unsigned v = 0;
	int bits = 0;

	for (; *s && *s != '='; s++) {
		int digit = base64_value(*s);

		if (digit < 0)
			return NULL;
		v = (v << 6 | (unsigned)digit) & 0xffff;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (!(v >> bits & 0xff))
			return NULL;
		strbuf_addc(&out, (char)(v >> bits & 0xff));
	}
	return s[strspn(s, "=")] ? NULL : strbuf_take(&out);
}

int auth_parse_basic(const char *header, char **ret_user, char **ret_password)
{
	AUTO_FREE char *pair = NULL;
	char *colon;

	if (strncasecmp(header, "basic ", 6) != 0 || strlen(header) > HEADER_MAX)
		return -1;
	header += 6;
	pair = base64_text(header + strspn(header, " "));
	colon = pair ? strchr(pair, ':') : NULL;
	if (!colon || colon == pair)
		return -1;
	*ret_user = xstrndup(pair, (size_t)(colon - pair));
	*ret_password = xstrdup(colon + 1);
	explicit_bzero(pair, strlen(pair));
	return 0;
}

/* --- checking --- */

static void memory_key(const struct auth *auth, const char *user, const char *hash,
                       const char *password, struct digest *ret)
{
	AUTO_BUF text = STRBUF_INIT;

	strbuf_add(&text, auth->secret, sizeof(auth->secret));
	strbuf_add(&text, user, strlen(user) + 1);
	strbuf_add(&text, hash, strlen(hash) + 1);
	strbuf_adds(&text, password);
	digest_of(DIGEST_SHA256, text.buf, text.len, ret);
	explicit_bzero(text.buf, text.len);
}

/* With the lock held. */
static bool is_remembered(const struct auth *auth, const struct digest *key)
{
	int64_t now = clock_monotonic_ms();

	for (size_t i = 0; i < REMEMBERED; i++)
		if (auth->memory[i].until_ms > now && digest_equal(&auth->memory[i].key, key))
			return true;
	return false;
}

static bool hash_matches(const struct auth *auth, const char *password, const char *hash)
{
	AUTO_FREE struct crypt_data *data = xcalloc(1, sizeof(*data));
	const char *got = auth->crypt(password, hash, data);
	unsigned char diff = 0;

	if (!got || strlen(got) != strlen(hash))
		return false;
	for (size_t i = 0; hash[i]; i++)
		diff |= (unsigned char)(got[i] ^ hash[i]);
	explicit_bzero(data, sizeof(*data));
	return diff == 0;
}

/* NULL for an unknown user. With the lock held. Caller frees. */
static char *find_hash(const struct auth *auth, const char *user)
{
	for (size_t i = 0; i < auth->n_users; i++)
		if (strcmp(auth->users[i].name, user) == 0)
			return xstrdup(auth->users[i].hash);
	return NULL;
}

static bool check_password(struct auth *auth, const char *user, const char *password)
{
	AUTO_FREE char *hash = NULL;
	struct digest key = { 0 };
	bool right;

	pthread_mutex_lock(&auth->lock);
	hash = find_hash(auth, user);
	if (hash) {
		memory_key(auth, user, hash, password, &key);
		if (is_remembered(auth, &key)) {
			pthread_mutex_unlock(&auth->lock);
			return true;
		}
	}
	while (auth->hashing == AUTH_PARALLEL)
		pthread_cond_wait(&auth->idle, &auth->lock);
	auth->hashing++;
	pthread_mutex_unlock(&auth->lock);
	right = hash_matches(auth, password, hash ? hash : DECOY_SETTING) && hash;
	pthread_mutex_lock(&auth->lock);
	auth->hashing--;
	pthread_cond_signal(&auth->idle);
	if (right) {
		auth->memory[auth->next] =
			(struct memory){ key, clock_monotonic_ms() + REMEMBER_MS };
		auth->next = (auth->next + 1) % REMEMBERED;
	}
	pthread_mutex_unlock(&auth->lock);
	return right;
}

bool auth_check(struct auth *auth, const char *authorization, char **ret_user)
{
	AUTO_FREE char *user = NULL;
	char *password;
	bool right;

	if (!authorization || auth_parse_basic(authorization, &user, &password) < 0)
		return false;
	right = check_password(auth, user, password);
	explicit_bzero(password, strlen(password));
	free(password);
	if (right)
		*ret_user = TAKE_PTR(user);
	return right;
}
