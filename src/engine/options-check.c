/* What can be refused by looking at the options alone. */
#include <ctype.h>

#include "engine/options-internal.h"

int container_options_check(const struct container_options *opts, bool rootless, struct err *err)
{
	struct restart_policy restart;
	struct log_config log;
	struct network_choice network;
	int sig;

	for (size_t i = 0; i < OPTIONS_REFUSED_MAX; i++)
		if (opts->refused[i])
			return err_set(err, E_UNSUPPORTED, "option --%s is not supported",
			               options_refused_name(i));
	if (restart_policy_parse(opts->restart, &restart, err) < 0 ||
	    log_config_parse(opts, &log, err) < 0 ||
	    network_choice_parse(opts, rootless, &network, err) < 0)
		return -1;
	if (opts->rm && restart.kind != RESTART_NO)
		return err_set(err, E_INVALID, "--rm and --restart '%s' contradict each other",
		               opts->restart);
	if (opts->stop_signal && signal_parse(opts->stop_signal, &sig) < 0)
		return err_set(err, E_INVALID, "--stop-signal '%s': no such signal",
		               opts->stop_signal);
	return 0;
}
