#include "engine/terminal.h"

#include "base/strv.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

static struct {
	int fd;
	bool active;
	struct termios saved, raw;
} terminal = { .fd = -1 };

static const int taken[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,  SIGUSR1, SIGUSR2,
	                     SIGALRM, SIGCONT, SIGIO,   SIGWINCH, SIGPROF, SIGVTALRM };
static sigset_t mask_before;
static bool mask_changed;

int terminal_raw(int fd)
{
	if (tcgetattr(fd, &terminal.saved) < 0)
		return -1;
	terminal.raw = terminal.saved;
	cfmakeraw(&terminal.raw);
	if (tcsetattr(fd, TCSADRAIN, &terminal.raw) < 0)
		return -1;
	terminal.fd = fd;
	terminal.active = true;
	return 0;
}

void terminal_raw_again(void)
{
	if (terminal.active)
		tcsetattr(terminal.fd, TCSADRAIN, &terminal.raw);
}

void terminal_restore(void)
{
	if (terminal.active)
		tcsetattr(terminal.fd, TCSADRAIN, &terminal.saved);
	terminal.active = false;
}

void terminal_size(int fd, uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize size;

	*ret_rows = *ret_cols = 0;
	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		return;
	*ret_rows = size.ws_row;
	*ret_cols = size.ws_col;
}

/* "a" or "ctrl-X", X one of a-z @ [ \ ] ^ _ */
static int key_parse(const char *text, unsigned char *ret)
{
	char c;

	if (text[0] && !text[1]) {
		*ret = (unsigned char)text[0];
		return 0;
	}
	if (strncmp(text, "ctrl-", 5) != 0 || !text[5] || text[6])
		return -EINVAL;
	c = text[5];
	if (c >= 'a' && c <= 'z')
		c -= 'a' - 'A';
	if (c < '@' || c > '_')
		return -EINVAL;
	*ret = (unsigned char)(c - '@');
	return 0;
}

int detach_keys_parse(const char *text, struct detach_keys *ret, struct err *err)
{
	AUTO_STRV keys = STRV_INIT;

	*ret = (struct detach_keys){ 0 };
	if (!text)
		text = DETACH_KEYS_DEFAULT;
	if (!*text)
		return 0;
	strv_split(&keys, text, ',');
	if (keys.len > DETACH_KEYS_MAX)
		return err_set(err, E_INVALID, "--detach-keys '%s': more than %d keys", text,
		               DETACH_KEYS_MAX);
	for (size_t i = 0; i < keys.len; i++) {
		if (key_parse(keys.items[i], &ret->keys[i]) < 0) {
			err_set(err, E_INVALID, "--detach-keys '%s': '%s' is no key", text,
			        keys.items[i]);
			return err_hint(err, "write keys as a or ctrl-a, separated by commas");
		}
	}
	ret->len = keys.len;
	return 0;
}

bool detach_keys_feed(struct detach_keys *k, const char *in, size_t len, char *ret_out,
                      size_t *ret_len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)in[i];

		if (k->len && c == k->keys[k->matched]) {
			if (++k->matched < k->len)
				continue;
			k->matched = 0;
			*ret_len = n;
			return true;
		}
		/* not the sequence after all: pass on what was held back */
		memcpy(ret_out + n, k->keys, k->matched);
		n += k->matched;
		k->matched = 0;
		if (k->len && c == k->keys[0]) {
			if (k->len == 1) {
				*ret_len = n;
				return true;
			}
			k->matched = 1;
		} else {
			ret_out[n++] = (char)c;
		}
	}
	*ret_len = n;
	return false;
}

int signals_take(struct err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	if (sigprocmask(SIG_BLOCK, &set, mask_changed ? NULL : &mask_before) < 0)
		return err_sys(err, errno, "block signals");
	mask_changed = true;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(err, errno, "signalfd");
	return fd;
}

void signals_give_back(void)
{
	if (mask_changed)
		sigprocmask(SIG_SETMASK, &mask_before, NULL);
	mask_changed = false;
}

bool signal_is_proxied(int signal)
{
	return signal != SIGWINCH && signal != SIGCHLD && signal != SIGPIPE;
}
