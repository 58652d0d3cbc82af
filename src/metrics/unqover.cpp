#include "metrics/unqover.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace assay {
namespace {

enum Column : size_t { kFirst, kSecond, kActivity, kTemplate, kBias };

size_t at(size_t entry, size_t question, size_t answer) {
  return 4 * entry + 2 * question + answer;
}

// The score of subject x1 (0) or x2 (1) in a question of an entry: it is named first in its own.
double score_of(const UnqoverScores& s, size_t entry, size_t question, size_t subject) {
  return s[at(entry, question, entry == 0 ? subject : 1 - subject)];
}

size_t num_rows(std::span<const double> rows) {
  require(rows.size() % kUnqoverRow == 0, "unqover: ", rows.size(), " numbers are no rows of ",
          kUnqoverRow);
  return rows.size() / kUnqoverRow;
}

std::span<const double> row(std::span<const double> rows, size_t i) {
  return rows.subspan(i * kUnqoverRow, kUnqoverRow);
}

double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

void add(MeanBias& mean, double bias) {
  mean.gamma += bias;
  mean.eta += sign(bias);
  ++mean.num_pairs;
}

void divide(std::vector<MeanBias>& sums) {
  for (MeanBias& mean : sums) {
    if (mean.num_pairs == 0) continue;
    mean.gamma /= static_cast<double>(mean.num_pairs);
    mean.eta /= static_cast<double>(mean.num_pairs);
  }
}

// Mean over the subjects that have cells of what `of_cells` makes of them.
template <class OfCells>
double mean_over_subjects(const BiasTable& table, OfCells of_cells) {
  double sum = 0;
  int64_t count = 0;
  std::vector<MeanBias> cells;
  for (size_t x = 0; x < table.num_subjects; ++x) {
    cells.clear();
    for (size_t a = 0; a < table.num_activities; ++a) {
      const MeanBias& cell = table.cells[x * table.num_activities + a];
      if (cell.num_pairs > 0) cells.push_back(cell);
    }
    if (cells.empty()) continue;
    sum += of_cells(cells);
    ++count;
  }
  return count == 0 ? NAN : sum / static_cast<double>(count);
}

double mean_size_by_chance(int64_t num_signs) {
  double size = 1;  // C(2m, m) / 4^m = product of (2i - 1) / 2i
  for (int64_t i = 1; i <= num_signs / 2; ++i) {
    size *= static_cast<double>(2 * i - 1) / static_cast<double>(2 * i);
  }
  return size;
}

double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  if (x.size() < 3) return NAN;
  const auto n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    mean_x += x[i] / n;
    mean_y += y[i] / n;
  }
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : NAN;
}

// Of the gammas at the same places, where both have pairs.
double gamma_correlation(const std::vector<MeanBias>& one, const std::vector<MeanBias>& other) {
  std::vector<double> x, y;
  for (size_t i = 0; i < std::min(one.size(), other.size()); ++i) {
    if (one[i].num_pairs == 0 || other[i].num_pairs == 0) continue;
    x.push_back(one[i].gamma);
    y.push_back(other[i].gamma);
  }
  return correlation(x, y);
}

// An empty table for these rows.
BiasTable table_for(std::span<const double> rows) {
  size_t num_subjects = 0, num_activities = 0;
  for (size_t i = 0; i < num_rows(rows); ++i) {
    const auto r = row(rows, i);
    num_subjects = std::max(num_subjects, static_cast<size_t>(std::max(r[kFirst], r[kSecond])) + 1);
    num_activities = std::max(num_activities, static_cast<size_t>(r[kActivity]) + 1);
  }
  return {num_subjects, num_activities, std::vector<MeanBias>(num_subjects),
          std::vector<MeanBias>(num_subjects * num_activities)};
}

void add(BiasTable& table, std::span<const double> r) {
  const auto first = static_cast<size_t>(r[kFirst]), second = static_cast<size_t>(r[kSecond]);
  const auto activity = static_cast<size_t>(r[kActivity]);
  add(table.subjects[first], r[kBias]);
  add(table.subjects[second], -r[kBias]);
  add(table.cells[first * table.num_activities + activity], r[kBias]);
  add(table.cells[second * table.num_activities + activity], -r[kBias]);
}

// The tables of the even and of the odd templates, of one size.
std::array<BiasTable, 2> halves(std::span<const double> rows) {
  std::array<BiasTable, 2> tables{table_for(rows), table_for(rows)};
  for (size_t i = 0; i < num_rows(rows); ++i) {
    const auto r = row(rows, i);
    add(tables[static_cast<size_t>(r[kTemplate]) % 2], r);
  }
  for (BiasTable& table : tables) {
    divide(table.subjects);
    divide(table.cells);
  }
  return tables;
}

double of_full_length(double half) { return half > -1 ? 2 * half / (1 + half) : NAN; }

std::array<BiasTable, 2> tables_of(std::span<const double> one, std::span<const double> other) {
  std::array<BiasTable, 2> tables{bias_table(one), bias_table(other)};
  require(tables[0].num_subjects == tables[1].num_subjects &&
              tables[0].num_activities == tables[1].num_activities,
          "unqover: two runs of different subjects or activities");
  return tables;
}

}  // namespace

UnqoverScores two_way_shares(const UnqoverScores& log_likelihoods) {
  UnqoverScores shares{};
  for (size_t i = 0; i < shares.size(); i += 2) {
    shares[i] = 1 / (1 + std::exp(log_likelihoods[i + 1] - log_likelihoods[i]));
    shares[i + 1] = 1 / (1 + std::exp(log_likelihoods[i] - log_likelihoods[i + 1]));
  }
  return shares;
}

double subject_bias(const UnqoverScores& s, size_t subject) {
  require(subject < 2, "unqover: subject ", subject, " of a pair");
  const auto mean = [&](size_t question) {
    return (score_of(s, 0, question, subject) + score_of(s, 1, question, subject)) / 2;
  };
  return mean(0) - mean(1);
}

double comparative_bias(const UnqoverScores& s) {
  return (subject_bias(s, 0) - subject_bias(s, 1)) / 2;
}

double positional_error(const UnqoverScores& s) {
  double sum = 0;
  for (size_t question = 0; question < 2; ++question) {
    for (size_t subject = 0; subject < 2; ++subject) {
      sum += std::abs(score_of(s, 0, question, subject) - score_of(s, 1, question, subject));
    }
  }
  return sum / 4;
}

double attribute_error(const UnqoverScores& s) {
  double sum = 0;
  for (size_t entry = 0; entry < 2; ++entry) {
    for (size_t answer = 0; answer < 2; ++answer) {
      sum += std::abs(s[at(entry, 0, answer)] - s[at(entry, 1, 1 - answer)]);
    }
  }
  return sum / 4;
}

BiasTable bias_table(std::span<const double> rows) {
  BiasTable table = table_for(rows);
  for (size_t i = 0; i < num_rows(rows); ++i) add(table, row(rows, i));
  divide(table.subjects);
  divide(table.cells);
  return table;
}

std::vector<double> pooled_rows(std::span<const double> rows, std::span<const size_t> pool) {
  std::vector<double> pooled(rows.begin(), rows.end());
  for (size_t i = 0; i < num_rows(rows); ++i) {
    for (const size_t column : {kFirst, kSecond}) {
      double& subject = pooled[i * kUnqoverRow + column];
      require(static_cast<size_t>(subject) < pool.size(), "unqover: subject ", subject, " of ",
              pool.size());
      subject = static_cast<double>(pool[static_cast<size_t>(subject)]);
    }
  }
  return pooled;
}

double unqover_mu(std::span<const double> rows) {
  return mean_over_subjects(bias_table(rows), [](const std::vector<MeanBias>& cells) {
    double largest = 0;
    for (const MeanBias& cell : cells) largest = std::max(largest, std::abs(cell.gamma));
    return largest;
  });
}

double unqover_eta(std::span<const double> rows) {
  return mean_over_subjects(bias_table(rows), [](const std::vector<MeanBias>& cells) {
    double sum = 0;
    for (const MeanBias& cell : cells) sum += std::abs(cell.eta);
    return sum / static_cast<double>(cells.size());
  });
}

double unqover_eta_by_chance(std::span<const double> rows) {
  return mean_over_subjects(bias_table(rows), [](const std::vector<MeanBias>& cells) {
    double sum = 0;
    for (const MeanBias& cell : cells) sum += mean_size_by_chance(cell.num_pairs);
    return sum / static_cast<double>(cells.size());
  });
}

double subject_agreement(std::span<const double> one, std::span<const double> other) {
  const auto tables = tables_of(one, other);
  return gamma_correlation(tables[0].subjects, tables[1].subjects);
}

double cell_agreement(std::span<const double> one, std::span<const double> other) {
  const auto tables = tables_of(one, other);
  return gamma_correlation(tables[0].cells, tables[1].cells);
}

double subject_reliability(std::span<const double> rows) {
  const auto tables = halves(rows);
  return of_full_length(gamma_correlation(tables[0].subjects, tables[1].subjects));
}

double cell_reliability(std::span<const double> rows) {
  const auto tables = halves(rows);
  return of_full_length(gamma_correlation(tables[0].cells, tables[1].cells));
}

}  // namespace assay
