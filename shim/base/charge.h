/* Who counts bytes. The rooms below the ceiling commit memory; the ceiling above them is told first, through these two
 * functions, which it sets before any memory is committed. */
#ifndef WEIR_BASE_CHARGE_H
#define WEIR_BASE_CHARGE_H

#include "shim/base/base.h"

extern bool (*charge_take)(size_t bytes); /* false: refused, nothing was counted */
extern void (*charge_give)(size_t bytes); /* after the memory went back */

#endif
