#pragma once
// Perplexity and its relatives as functions of sums over windows or utterances.

#include <span>

namespace assay {

// exp(sums[0] / sums[1]); {sum of negative log-likelihoods in nats, tokens} gives the
// token-weighted perplexity, {mean of a window, 1} the mean of window means
// (spec/beyond-perplexity 2.0.5). NaN without tokens.
double perplexity(std::span<const double> sums);

// {sum of negative log-likelihoods in nats, UTF-8 bytes} -> bits a byte. NaN without bytes.
double bits_per_byte(std::span<const double> sums);

// {nats of side A, nats of side B} -> A / B: what side A costs relative to B for the same meanings.
double cost_ratio(std::span<const double> sums);

// {nats A, tokens A, nats B, tokens B} -> perplexity of A / perplexity of B.
double perplexity_ratio(std::span<const double> sums);

}  // namespace assay
