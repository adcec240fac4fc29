/* What src/abi.rs says of bash's structs and constants, compared with bash's own headers by the compiler. */
#include <config.h>
#include <stddef.h>

#include "loadables.h"
#include "variables.h"

#define SAME(what, value) _Static_assert((what) == (value), #what)

SAME(sizeof(struct builtin), 48);
SAME(offsetof(struct builtin, name), 0);
SAME(offsetof(struct builtin, function), 8);
SAME(offsetof(struct builtin, flags), 16);
SAME(offsetof(struct builtin, long_doc), 24);
SAME(offsetof(struct builtin, short_doc), 32);
SAME(offsetof(struct builtin, handle), 40);
SAME(BUILTIN_ENABLED, 0x01);

SAME(sizeof(WORD_DESC), 16);
SAME(offsetof(WORD_DESC, word), 0);
SAME(sizeof(WORD_LIST), 16);
SAME(offsetof(WORD_LIST, next), 0);
SAME(offsetof(WORD_LIST, word), 8);

SAME(sizeof(SHELL_VAR), 48);
SAME(offsetof(SHELL_VAR, name), 0);
SAME(offsetof(SHELL_VAR, value), 8);
SAME(offsetof(SHELL_VAR, attributes), 40);
SAME(att_readonly, 0x2);
SAME(att_array, 0x4);
SAME(att_integer, 0x10);
SAME(att_assoc, 0x40);
SAME(att_invisible, 0x1000);
SAME(att_noassign, 0x4000);

SAME(SEVAL_NOHIST, 0x4);
SAME(sizeof(arrayind_t), 8);
SAME(sizeof(interrupt_state), sizeof(int));
SAME(sizeof(terminating_signal), sizeof(int));

/* The functions, called as abi.rs calls them. Bash 5.3 takes constant strings where those before it take others. */
void call_all(SHELL_VAR *var, char *text, arrayind_t index);
void call_all(SHELL_VAR *var, char *text, arrayind_t index) {
    var = find_variable(text);
    var = bind_variable(text, text, 0);
    var = bind_array_element(var, index, text, 0);
    var = bind_assoc_variable(var, text, text, text, 0);
    var = find_or_make_array_variable(text, 0);
    text = get_string_value(text);
    builtin_error("%s, %d", text, parse_and_execute(text, text, 0));
}
