/*
 * coord.h - positions in any usual frame to the apparent place of the current epoch, by ERFA
 *
 * Angles are radians, utc is in ns, dut1 (UT1-UTC) in s. "Apparent" is geocentric, true equator and
 * equinox of date, what the telescope calls requested RA and Dec; refraction and the pointing model
 * are not in it. Source: the CSO's pages on its pointing log (www.cso.caltech.edu/docs/hiro/ant);
 * ERFA's, that is SOFA's, recipes.
 */
#ifndef FYKE_COORD_H
#define FYKE_COORD_H

#include <stdbool.h>
#include <stdint.h>

#include <erfa.h>

#define COORD_WHY 160

enum coord_frame {
	COORD_HORIZON, /* azimuth from north through east, elevation; no refraction */
	COORD_ICRS,
	COORD_FK5, /* with any equinox (IAU 1976 precession) */
	COORD_FK4, /* B1950 only: ERFA has no Newcomb precession */
	COORD_GALACTIC,
	COORD_ECLIPTIC,      /* mean ecliptic and equinox of date */
	COORD_ECLIPTIC_2000, /* of J2000 */
	COORD_APPARENT
};

struct coord_site {
	double longitude, latitude; /* east, north */
	double height;              /* m */
	double xp, yp;              /* polar motion */
};

/* A moment with what is the same for all positions at it. */
struct coord_moment {
	double utc1, utc2, tt1, tt2, ut1a, ut1b;
	double dut1;
	double gast;      /* Greenwich apparent sidereal time */
	double eo;        /* equation of the origins */
	eraASTROM astrom; /* geocentric */
	bool dubious;     /* leap seconds of that year are not known to ERFA */
};

/* 0, or -1 when ERFA refuses the date. */
int coord_moment(struct coord_moment *m, int64_t utc, double dut1);

/* Local apparent sidereal time. */
double coord_last(const struct coord_moment *m, const struct coord_site *s);

/* Apparent place of a position. equinox counts for FK5 (2000 where 0) and FK4 (1950). site is for
 * the horizon only. 0, or -1 with a sentence. */
int coord_apparent(const struct coord_moment *m, const struct coord_site *s, enum coord_frame frame,
    double equinox, double lon, double lat, double *ra, double *dec, char why[COORD_WHY]);

/* The same to ICRS. */
int coord_icrs(const struct coord_moment *m, const struct coord_site *s, enum coord_frame frame,
    double equinox, double lon, double lat, double *ra, double *dec, char why[COORD_WHY]);

/* FK4 B1950 to FK5 J2000. */
void coord_fk4(const struct coord_moment *m, double lon, double lat, double *ra, double *dec);

/* Horizon to apparent by the sidereal time that the telescope itself gives: needs neither UT1 nor
 * longitude, and leaves out diurnal aberration and polar motion, as the telescope does. */
void coord_horizon(double last, double latitude, double az, double el, double *ra, double *dec);
void coord_to_horizon(double last, double latitude, double ra, double dec, double *az, double *el);

/* "mercury" .. "neptune", "moon" (any case): geocentric apparent place and distance in au, to the
 * few seconds of arc of eraPlan94() and eraMoon98(). -1: not such a body. */
int coord_body(const char *name);
int coord_planet(const struct coord_moment *m, int body, double *ra, double *dec, double *distance);

#endif
