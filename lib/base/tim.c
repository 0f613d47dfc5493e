/* tim.c - time: the only place that knows calendars */
#include "tim.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "io.h"

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return ts.tv_sec * TIM_S + ts.tv_nsec;
}

int64_t tim_now(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t tim_mono(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t tim_coarse(void)
{
	return clock_ns(CLOCK_MONOTONIC_COARSE);
}

int tim_sleep_until(int64_t mono)
{
	for (;;) {
		int64_t left = mono - tim_mono();
		if (left <= 0)
			return 0;
		if (io_wait(-1, left) < 0)
			return -1;
	}
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar: years are counted from
 * March, so that the leap day comes last, in eras of 400 years = 146,097 days. */
static int64_t days_from_date(int64_t y, int month, int day)
{
	y -= month <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	int64_t q = a / b;
	return a % b < 0 ? q - 1 : q;
}

struct tim_parts tim_split(int64_t t)
{
	struct tim_parts p;
	int64_t days = floor_div(t, TIM_DAY);
	int64_t in_day = t % TIM_DAY < 0 ? t % TIM_DAY + TIM_DAY : t % TIM_DAY;
	int64_t z = days + 719468;
	int64_t era = floor_div(z, 146097);
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	p.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	p.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	p.year = (int)(yoe + era * 400 + (p.month <= 2));
	p.hour = (int)(in_day / TIM_H);
	p.minute = (int)(in_day / TIM_MIN % 60);
	p.second = (int)(in_day / TIM_S % 60);
	p.ns = (int32_t)(in_day % TIM_S);
	return p;
}

int64_t tim_join(int year, int month, int day, int hour, int minute, int second, int32_t ns)
{
	return days_from_date(year, month, day) * TIM_DAY + hour * TIM_H + minute * TIM_MIN +
	    second * TIM_S + ns;
}

char *tim_text(int64_t t, int digits, char buf[TIM_TEXT])
{
	struct tim_parts p = tim_split(t);
	int n = snprintf(buf, TIM_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d", p.year, p.month, p.day,
	    p.hour, p.minute, p.second);
	if (digits > 0)
		n += snprintf(buf + n, (size_t)(TIM_TEXT - n), ".%09d", (int)p.ns) - (9 - digits);
	buf[n] = 'Z';
	buf[n + 1] = '\0';
	return buf;
}

char *tim_name(int64_t t, char buf[TIM_TEXT])
{
	struct tim_parts p = tim_split(t);
	snprintf(buf, TIM_TEXT, "%04d%02d%02dT%02d%02d%02dZ", p.year, p.month, p.day, p.hour,
	    p.minute, p.second);
	return buf;
}

/* Reads exactly n digits; -1 when they are not there. */
static int digits_at(const char **s, int n)
{
	int v = 0;
	for (int i = 0; i < n; i++, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return -1;
		v = v * 10 + (**s - '0');
	}
	return v;
}

static bool char_at(const char **s, const char *set)
{
	if (**s == '\0' || !strchr(set, **s))
		return false;
	(*s)++;
	return true;
}

static int days_in_month(int year, int month)
{
	return (int)(days_from_date(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) -
	    days_from_date(year, month, 1));
}

int tim_parse(const char *s, int64_t *t)
{
	int year, month, day, hour, minute, second;
	int32_t ns = 0;

	if ((year = digits_at(&s, 4)) < 1678 || year > 2261 || !char_at(&s, "-") ||
	    (month = digits_at(&s, 2)) < 1 || month > 12 || !char_at(&s, "-") ||
	    (day = digits_at(&s, 2)) < 1 || day > days_in_month(year, month) ||
	    !char_at(&s, "T ") || (hour = digits_at(&s, 2)) < 0 || hour > 23 || !char_at(&s, ":") ||
	    (minute = digits_at(&s, 2)) < 0 || minute > 59 || !char_at(&s, ":") ||
	    (second = digits_at(&s, 2)) < 0 || second > 60)
		goto bad;
	if (char_at(&s, ".")) {
		int32_t unit = 100000000;
		if (!isdigit((unsigned char)*s))
			goto bad;
		for (; isdigit((unsigned char)*s); s++, unit /= 10)
			ns += (*s - '0') * unit;
	}
	if (!char_at(&s, "Z") || *s)
		goto bad;
	*t = tim_join(year, month, day, hour, minute, second, ns);
	return 0;
bad:
	errno = EINVAL;
	return -1;
}

static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {{"ns", 1}, {"us", TIM_US}, {"ms", TIM_MS}, {"s", TIM_S}, {"m", TIM_MIN},
    {"min", TIM_MIN}, {"h", TIM_H}, {"d", TIM_DAY}};

#define NUNITS (sizeof units / sizeof *units)

/* One number with a unit, e.g. "1.5s"; *unit is 0 where the unit is missing. */
static int one_span(const char **s, long double *value, int64_t *unit)
{
	long double v = 0, place = 0.1L;
	size_t n = 0;

	if (!isdigit((unsigned char)**s))
		return -1;
	for (; isdigit((unsigned char)**s); (*s)++)
		v = v * 10 + (**s - '0');
	if (char_at(s, ".")) {
		if (!isdigit((unsigned char)**s))
			return -1;
		for (; isdigit((unsigned char)**s); (*s)++, place /= 10)
			v += (**s - '0') * place;
	}
	while (isalpha((unsigned char)(*s)[n]))
		n++;
	*unit = 0;
	for (size_t i = 0; i < NUNITS; i++)
		if (n == strlen(units[i].name) && memcmp(*s, units[i].name, n) == 0)
			*unit = units[i].ns;
	if (n > 0 && *unit == 0)
		return -1;
	*s += n;
	*value = v;
	return 0;
}

int tim_duration(const char *s, int64_t *ns)
{
	long double sum = 0;
	bool first = true;
	int64_t last = INT64_MAX;

	do {
		long double v;
		int64_t unit;
		if (one_span(&s, &v, &unit) < 0)
			goto bad;
		if (unit == 0) {
			if (!first || *s)
				goto bad;
			unit = TIM_S;
		}
		if (unit >= last) /* 23h59m, not 59m23h */
			goto bad;
		last = unit;
		first = false;
		sum += v * (long double)unit;
	} while (*s);
	if (sum >= (long double)INT64_MAX) {
		errno = ERANGE;
		return -1;
	}
	*ns = (int64_t)(sum + 0.5L);
	return 0;
bad:
	errno = EINVAL;
	return -1;
}

char *tim_span(int64_t ns, char buf[TIM_TEXT])
{
	static const struct unit show[] = {{"d", TIM_DAY}, {"h", TIM_H}, {"m", TIM_MIN},
	    {"s", TIM_S}, {"ms", TIM_MS}, {"us", TIM_US}};
	const char *name = "ns";
	int64_t unit = 1;

	for (size_t i = 0; i < sizeof show / sizeof *show && ns > 0; i++) {
		bool decimal =
		    show[i].ns <= TIM_S && ns >= show[i].ns && ns % (show[i].ns / 1000) == 0;
		if (ns % show[i].ns == 0 || decimal) {
			name = show[i].name;
			unit = show[i].ns;
			break;
		}
	}
	int n = snprintf(buf, TIM_TEXT, "%lld", (long long)(ns / unit));
	if (ns % unit) {
		n += snprintf(
		    buf + n, (size_t)(TIM_TEXT - n), ".%03d", (int)(ns % unit / (unit / 1000)));
		while (buf[n - 1] == '0')
			n--;
	}
	snprintf(buf + n, (size_t)(TIM_TEXT - n), "%s", name);
	return buf;
}

int tim_until(const char *s, int64_t now, int64_t *t)
{
	int hour, minute, second = 0;

	if ((hour = digits_at(&s, 2)) < 0 || hour > 23 || !char_at(&s, ":") ||
	    (minute = digits_at(&s, 2)) < 0 || minute > 59)
		goto bad;
	if (char_at(&s, ":") && ((second = digits_at(&s, 2)) < 0 || second > 59))
		goto bad;
	if (!char_at(&s, "Z") || *s)
		goto bad;
	int64_t day = floor_div(now, TIM_DAY) * TIM_DAY;
	*t = day + hour * TIM_H + minute * TIM_MIN + second * TIM_S;
	if (*t <= now)
		*t += TIM_DAY;
	return 0;
bad:
	errno = EINVAL;
	return -1;
}

/* IERS Bulletin C: TAI - UTC from these days on. */
int64_t tim_from_tai(int64_t tai)
{
	static const struct {
		int year, month, seconds;
	} leap[] = {{2017, 1, 37}, {2015, 7, 36}, {2012, 7, 35}, {2009, 1, 34}, {2006, 1, 33},
	    {1999, 1, 32}};
	size_t n = sizeof leap / sizeof *leap, i = 0;

	while (i < n - 1 &&
	    tai < tim_join(leap[i].year, leap[i].month, 1, 0, 0, 0, 0) + leap[i].seconds * TIM_S)
		i++;
	return tai - leap[i].seconds * TIM_S;
}
