package main

const (
	purposeBusRetry = 10 // as in twin/draws.py
	purposeBusAgain = 43

	philoxM0, philoxM1 = 0xD2511F53, 0xCD9E8D57
	philoxW0, philoxW1 = 0x9E3779B9, 0xBB67AE85
)

// uniform returns the number in [0, 1) that twin/draws.py has for the same address (Philox4x32-10).
func uniform(seed uint64, replication, entity, purpose, n uint32) float64 {
	c0, c1, c2, c3 := entity, purpose, n, replication
	k0, k1 := uint32(seed), uint32(seed>>32)
	for range 10 {
		p0, p1 := uint64(philoxM0)*uint64(c0), uint64(philoxM1)*uint64(c2)
		c0, c1, c2, c3 = uint32(p1>>32)^c1^k0, uint32(p1), uint32(p0>>32)^c3^k1, uint32(p0)
		k0 += philoxW0
		k1 += philoxW1
	}
	return float64(uint64(c0)<<21^uint64(c1)>>11) * 0x1p-53
}
