/* coord.c - positions in any usual frame to the apparent place of the current epoch */
#include "sky/coord.h"

#include <erfam.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "base/tim.h"

#define JD_1970 2440587.5
#define MOON    9

int coord_moment(struct coord_moment *m, int64_t utc, double dut1)
{
	double tai1, tai2;
	int64_t day = utc / TIM_DAY;

	if (utc < 0)
		return -1;
	m->utc1 = JD_1970 + (double)day;
	m->utc2 = (double)(utc - day * TIM_DAY) / (double)TIM_DAY;
	m->dut1 = dut1;
	int rc = eraUtctai(m->utc1, m->utc2, &tai1, &tai2);
	if (rc < 0 || eraTaitt(tai1, tai2, &m->tt1, &m->tt2) < 0 ||
	    eraUtcut1(m->utc1, m->utc2, dut1, &m->ut1a, &m->ut1b) < 0)
		return -1;
	m->dubious = rc > 0;
	m->gast = eraGst06a(m->ut1a, m->ut1b, m->tt1, m->tt2);
	eraApci13(m->tt1, m->tt2, &m->astrom, &m->eo);
	return 0;
}

double coord_last(const struct coord_moment *m, const struct coord_site *s)
{
	return eraAnp(m->gast + s->longitude);
}

void coord_horizon(double last, double latitude, double az, double el, double *ra, double *dec)
{
	double ha;

	eraAe2hd(az, el, latitude, &ha, dec);
	*ra = eraAnp(last - ha);
}

void coord_to_horizon(double last, double latitude, double ra, double dec, double *az, double *el)
{
	eraHd2ae(last - ra, dec, latitude, az, el);
}

void coord_fk4(const struct coord_moment *m, double lon, double lat, double *ra, double *dec)
{
	eraFk45z(lon, lat, eraEpb(m->tt1, m->tt2), ra, dec);
}

/* FK5 of an equinox to FK5 J2000. */
static void precess(double equinox, double lon, double lat, double *ra, double *dec)
{
	double p[3], q[3], rp[3][3], date1, date2;

	*ra = lon;
	*dec = lat;
	if (equinox == 0 || equinox == 2000)
		return;
	eraEpj2jd(equinox, &date1, &date2);
	eraPmat76(date1, date2, rp);
	eraS2c(lon, lat, p);
	eraTrxp(rp, p, q);
	eraC2s(q, ra, dec);
	*ra = eraAnp(*ra);
}

/* Rigorous: topocentric, with diurnal aberration and polar motion. No air: its pressure is 0, and
 * its temperature, humidity and the wavelength (1000 um) count for nothing. */
static int from_horizon(const struct coord_moment *m, const struct coord_site *s, double az,
    double el, double *ri, double *di)
{
	return eraAtoi13("A", az, M_PI_2 - el, m->utc1, m->utc2, m->dut1, s->longitude, s->latitude,
		   s->height, s->xp, s->yp, 0, 0, 0, 1000, ri, di) < 0
	    ? -1
	    : 0;
}

int coord_icrs(const struct coord_moment *m, const struct coord_site *s, enum coord_frame frame,
    double equinox, double lon, double lat, double *ra, double *dec, char why[COORD_WHY])
{
	double r, d, ri, di, eo;

	switch (frame) {
	case COORD_ICRS:
		*ra = eraAnp(lon);
		*dec = lat;
		return 0;
	case COORD_FK5:
		precess(equinox, lon, lat, &r, &d);
		eraFk5hz(r, d, m->tt1, m->tt2, ra, dec);
		return 0;
	case COORD_FK4:
		if (equinox != 0 && equinox != 1950) {
			snprintf(why, COORD_WHY,
			    "FK4 of equinox %g: only B1950 has a rigorous route", equinox);
			return -1;
		}
		coord_fk4(m, lon, lat, &r, &d);
		eraFk5hz(r, d, m->tt1, m->tt2, ra, dec);
		return 0;
	case COORD_GALACTIC:
		eraG2icrs(lon, lat, ra, dec);
		return 0;
	case COORD_ECLIPTIC:
		eraEceq06(m->tt1, m->tt2, lon, lat, ra, dec);
		return 0;
	case COORD_ECLIPTIC_2000:
		eraEceq06(ERFA_DJ00, 0, lon, lat, ra, dec);
		return 0;
	case COORD_HORIZON:
		if (from_horizon(m, s, lon, lat, &ri, &di) == 0) {
			eraAtic13(ri, di, m->tt1, m->tt2, ra, dec, &eo);
			return 0;
		}
		break;
	case COORD_APPARENT:
		eraAtic13(eraAnp(lon + m->eo), lat, m->tt1, m->tt2, ra, dec, &eo);
		return 0;
	}
	snprintf(why, COORD_WHY, "the position or its frame makes no sense");
	return -1;
}

int coord_apparent(const struct coord_moment *m, const struct coord_site *s, enum coord_frame frame,
    double equinox, double lon, double lat, double *ra, double *dec, char why[COORD_WHY])
{
	double rc, dc, ri;

	if (!isfinite(lon) || !isfinite(lat) || fabs(lat) > M_PI_2) {
		snprintf(why, COORD_WHY, "the position makes no sense");
		return -1;
	}
	if (frame == COORD_APPARENT) {
		*ra = eraAnp(lon);
		*dec = lat;
		return 0;
	}
	if (frame == COORD_HORIZON) {
		if (from_horizon(m, s, lon, lat, &ri, dec) < 0) {
			snprintf(why, COORD_WHY, "ERFA refuses the moment");
			return -1;
		}
		*ra = eraAnp(ri - m->eo);
		return 0;
	}
	if (coord_icrs(m, s, frame, equinox, lon, lat, &rc, &dc, why) < 0)
		return -1;
	eraASTROM astrom = m->astrom;
	eraAtciqz(rc, dc, &astrom, &ri, dec);
	*ra = eraAnp(ri - m->eo);
	return 0;
}

/* ---- planets ---- */

int coord_body(const char *name)
{
	static const char *const names[] = {
	    "mercury", "venus", "", "mars", "jupiter", "saturn", "uranus", "neptune", "moon"};

	for (int i = 0; i < MOON; i++)
		if (*names[i] && !strcasecmp(names[i], name))
			return i + 1;
	return -1;
}

/* Barycentric place of a body at TT minus `ago` days; the earth's heliocentric and barycentric
 * vectors differ by the sun's. */
static int body_at(const struct coord_moment *m, int body, double ago, double p[3])
{
	double earth_h[2][3], earth_b[2][3], pv[2][3];

	if (eraEpv00(m->tt1, m->tt2 - ago, earth_h, earth_b) < 0)
		return -1;
	if (body == MOON) {
		eraMoon98(m->tt1, m->tt2 - ago, pv);
		eraPpp(earth_b[0], pv[0], p);
		return 0;
	}
	if (eraPlan94(m->tt1, m->tt2 - ago, body, pv) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		p[i] = pv[0][i] + earth_b[0][i] - earth_h[0][i];
	return 0;
}

int coord_planet(const struct coord_moment *m, int body, double *ra, double *dec, double *distance)
{
	double earth_h[2][3], earth_b[2][3], p[3], q[3], v[3], unit[3], proper[3], rnpb[3][3];
	double ago = 0, r = 0;

	if (eraEpv00(m->tt1, m->tt2, earth_h, earth_b) < 0)
		return -1;
	/* Where it was when its light left: each turn is better by v/c. */
	for (int i = 0; i < 4; i++) {
		if (body_at(m, body, ago, p) < 0)
			return -1;
		eraPmp(p, earth_b[0], q);
		r = eraPm(q);
		ago = r * ERFA_AULT / ERFA_DAYSEC;
	}
	eraSxp(1 / r, q, unit);
	eraSxp(ERFA_AULT / ERFA_DAYSEC, earth_b[1], v);
	double bm1 = sqrt(1 - eraPdp(v, v));
	eraAb(unit, v, eraPm(earth_h[0]), bm1, proper);
	eraPnm06a(m->tt1, m->tt2, rnpb);
	eraRxp(rnpb, proper, q);
	eraC2s(q, ra, dec);
	*ra = eraAnp(*ra);
	*distance = r;
	return 0;
}
