/* What the runtime does not have yet, so that the program links. Removed as soon as it lands. */
#include "runtime/runtime.h"

__attribute__((weak)) int runtime_exec(const struct runtime_exec_args *args,
                                       struct runtime_container *ret, struct err *err)
{
	return err_set(err, E_UNSUPPORTED, "exec is not built in yet");
}
