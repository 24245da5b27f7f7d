# Repeats every confirmatory row of contrasts.tsv from the animals' values, with R's own arithmetic
# and no package.
# Rscript reproduce.R      in the folder with contrasts.tsv and reproduce.tsv; stops where a number
# differs by more than 1e-6.

pseudoinverse <- function(x) {
  s <- svd(x)
  keep <- s$d > 1e-10 * max(s$d)
  s$v[, keep, drop = FALSE] %*% (t(s$u[, keep, drop = FALSE]) / s$d[keep])
}

# Least squares on arms, blocks and covariates; HC2 corrected for arms that vary unlike, Bell and
# McCaffrey's degrees of freedom.
# Without blocks and covariates: Welch.
between <- function(y, arm, weight, block, covariates) {
  arms <- sort(unique(arm))
  w <- weight[match(arms, arm)]
  member <- outer(arm, arms, "==") * 1
  blocks <- outer(block, sort(unique(block)), "==") * 1
  x <- cbind(member, blocks, scale(covariates, scale = FALSE))
  inverse <- pseudoinverse(x)
  g <- length(arms)
  inside <- g + seq_len(ncol(blocks))
  lead <- inverse[1:g, , drop = FALSE]
  shared <- colMeans(blocks) %*% inverse[inside, , drop = FALSE]
  lead <- sweep(lead, 2, as.vector(shared), "+")
  a <- as.vector(w %*% lead)
  residual <- diag(length(y)) - x %*% inverse
  free <- diag(residual)
  share <- ifelse(free > 1e-9, 1 / free, 0)
  r <- as.vector(residual %*% (y - mean(y)))
  v <- as.vector(pmax(pseudoinverse(t(member) %*% residual^2 %*% member) %*% (t(member) %*% r^2), 0))
  if (all(v == 0)) v[] <- sum(r^2) / sum(free)
  each <- as.vector(member %*% v)
  q <- residual %*% (a^2 * share * residual)
  trace <- sum(diag(q) * each)
  due <- sum(a^2 * each)
  variance <- sum(a^2 * share * r^2) * min(max(due / trace, 2 / 3), 3 / 2)
  f <- c(estimate = sum(a * y), se = sqrt(variance), df = trace^2 / sum(q^2 * outer(each, each)), skew = 0)
  attr(f, "v") <- as.vector(v)
  f
}

# Skewness of values that are log-normal with this variance of logarithms by the share q, else 0.
of_logs <- function(variance, q) {
  a <- exp(variance)
  squares <- q * a - q^2
  ifelse(squares > 0, (q * a^3 - 3 * q^2 * a + 2 * q^3) / squares^1.5, 0)
}

# Arithmetic means of skewed values: what blocks leave in a contrast of means, and how skewness
# stretches its interval.
of_means <- function(f, y, arm, weight, block, least, most, log_normal) {
  arms <- sort(unique(arm))
  w <- weight[match(arms, arm)]
  n <- as.vector(table(arm)[arms])
  m <- as.vector(tapply(y, arm, mean)[arms])
  s2 <- as.vector(tapply(y, arm, var)[arms])
  both <- is.finite(most)
  slope <- as.vector(tapply(if (both) (y - least) * (most - y) / (most - least) else y - least, arm, mean)[arms])
  sizes <- pmax((m - least) * (most - m) / s2 - 1, 0)
  at <- (m - least) / (most - least)
  skewness <- if (both) 2 * (1 - 2 * at) / (sizes + 2) * sqrt((sizes + 1) / (at * (1 - at))) else 2 * sqrt(s2) / (m - least)
  skewness <- ifelse(s2 > 0, skewness, 0)
  if (log_normal) {
    above <- y > least
    logs <- log(y[above] - least)
    within <- logs - ave(logs, arm[above])
    spread <- sqrt(sum(within^2) / max(sum(above) - length(unique(arm[above])), 1))
    q <- as.vector(tapply(above, arm, mean)[arms])
    skewness <- pmax(skewness, ifelse(s2 > 0, of_logs(min(spread, 1)^2, q), 0))
  }
  skewness <- skewness / sqrt(n)
  extra <- 0
  lean <- 0
  lead <- ifelse(s2 > 0, slope / s2, 0)
  names <- sort(unique(block))
  if (length(names) > 1) {
    count <- table(factor(arm, arms), factor(block, names))
    place <- count / n
    residual <- (y - m[match(arm, arms)]) * lead[match(arm, arms)]
    sums <- tapply(residual, factor(block, names), sum)
    told <- lead * slope * count
    spread <- diag(colSums(told)) - t(told) %*% place
    news <- sum(spread^2)
    moved <- if (news > 1e-9 * sum(told)^2) sum(sums^2) / news else 0
    left <- (w * slope) %*% place
    extra <- sum(left^2) * moved
    if (!both) lean <- sum(left^3) * moved^1.5 * of_logs(min(moved, 1), 1)
  }
  own <- f[["se"]]^2
  whole <- own + extra
  part <- w^2 * attr(f, "v") / n / whole
  c(estimate = f[["estimate"]], se = sqrt(whole),
    df = whole / (own / f[["df"]] + extra / max(length(names) - 1, 1)),
    skew = 3 / 8 * (sum(sign(w) * part^1.5 * skewness) + lean / whole^1.5))
}

one_sample <- function(y) {
  c(estimate = mean(y), se = sd(y) / sqrt(length(y)), df = length(y) - 1, skew = 0)
}

# One difference, or one slope over log2(dose + 1), for each unit that has all it needs.
within <- function(d) {
  found <- sapply(split(d, d$unit), function(u) {
    if (d$how[1] == "slope within") {
      x <- log2(u$dose + 1)
      return(if (length(unique(x)) < 2) NA else cov(x, u$value) / var(x))
    }
    means <- tapply(u$value, u$arm, mean)
    used <- unique(d$arm[d$weight != 0])
    if (!all(used %in% names(means))) return(NA)
    sum(means[used] * d$weight[match(used, d$arm)])
  })
  one_sample(found[!is.na(found)])
}

slope_between <- function(d, covariates) {
  arm <- as.character(d$dose)
  x <- log2(d$dose + 1)
  weight <- ave(x, arm, FUN = function(one) length(one) * (one[1] - mean(x)))
  weight <- weight / sum((x - mean(x))^2)
  compared(d, arm, weight, covariates)
}

# Where arithmetic means are compared, their limits are given and blocks are not adjusted for.
compared <- function(d, arm, weight, covariates) {
  if (is.na(d$least[1])) return(between(d$value, arm, weight, d$block, covariates))
  f <- between(d$value, arm, weight, rep("", nrow(d)), covariates)
  of_means(f, d$value, arm, weight, d$block, d$least[1], d$most[1], d$means[1] == "log")
}

repeated <- function(d) {
  covariates <- as.matrix(d[grep("^covariate_", names(d))])
  covariates <- covariates[, colSums(is.na(covariates)) == 0, drop = FALSE]
  f <- switch(d$how[1],
    "between" = compared(d, d$arm, d$weight, covariates),
    "slope between" = slope_between(d, covariates),
    within(d)
  )
  low <- d$low[1]
  high <- d$high[1]
  skews <- pmax(c(-f[["skew"]], f[["skew"]]), 0)
  beyond <- pmax(c(f[["estimate"]] - low, -f[["estimate"]] - high) / f[["se"]], 0)
  t <- max(2 * beyond / (1 + sqrt(1 + 4 * skews * beyond)))
  edge <- qt(0.5 + d$level[1] / 2, f[["df"]])
  reach <- (edge + skews * edge^2) * f[["se"]]
  c(f,
    p = 2 * pt(-t, f[["df"]]),
    lower = f[["estimate"]] - reach[1] - low, upper = f[["estimate"]] + reach[2] + high
  )
}

# |score statistic| of every table of two arms, the variance at the likeliest shares that differ by
# d.
score <- function(n, d) {
  p1 <- outer(0:n[1] / n[1], rep(1, n[2] + 1))
  p2 <- outer(rep(1, n[1] + 1), 0:n[2] / n[2])
  ratio <- n[2] / n[1]
  a <- 1 + ratio
  b <- -(1 + ratio + p1 + ratio * p2 + d * (ratio + 2))
  c <- d^2 + d * (2 * p1 + ratio + 1) + p1 + ratio * p2
  v <- b^3 / (27 * a^3) - b * c / (6 * a^2) - p1 * d * (1 + d) / (2 * a)
  u <- ifelse(v < 0, -1, 1) * sqrt(pmax(b^2 / (9 * a^2) - c / (3 * a), 0))
  angle <- (pi + acos(pmin(pmax(v / ifelse(abs(u) > 1e-100, u^3, 1), -1), 1))) / 3
  q1 <- pmin(pmax(2 * u * cos(angle) - b / (3 * a), max(0, d)), min(1, 1 + d))
  q2 <- pmin(pmax(q1 - d, 0), 1)
  variance <- q1 * (1 - q1) / n[1] + q2 * (1 - q2) / n[2]
  gap <- abs(p1 - p2 - d)
  ifelse(variance < 1e-9, ifelse(gap < 1e-9, 0, Inf), gap / sqrt(variance))
}

# Exact unconditional p of k of n at a difference d: the worst over `shares` shares of the second
# arm.
unconditional <- function(k, n, d, shares) {
  s <- round(score(n, d), 9)
  tail <- (s >= s[k[1] + 1, k[2] + 1]) * 1
  q <- seq(max(0, -d), min(1, 1 - d), length.out = shares)
  first <- outer(pmin(pmax(q + d, 0), 1), 0:n[1], function(p, x) dbinom(x, n[1], p))
  second <- outer(pmin(pmax(q, 0), 1), 0:n[2], function(p, x) dbinom(x, n[2], p))
  min(1, max(rowSums((first %*% tail) * second)))
}

newcombe <- function(k, n, level) {
  z <- qnorm(0.5 + level / 2)
  p <- k / n
  middle <- (p + z^2 / (2 * n)) / (1 + z^2 / n)
  half <- z * sqrt(p * (1 - p) / n + z^2 / (4 * n^2)) / (1 + z^2 / n)
  low <- middle - half
  high <- middle + half
  p[1] - p[2] + c(
    -sqrt((p[1] - low[1])^2 + (high[2] - p[2])^2),
    sqrt((high[1] - p[1])^2 + (p[2] - low[2])^2))
}

# Ends of the differences that are not rejected: 401 of them, and 21 in the step where they end.
two_shares <- function(k, n, level) {
  if (max(n) > 40) return(newcombe(k, n, level))
  grid <- seq(-1, 1, length.out = 401)
  inside <- which(sapply(grid, function(d) unconditional(k, n, d, 101)) > 1 - level)
  if (!length(inside)) inside <- which.min(abs(grid - k[1] / n[1] + k[2] / n[2]))
  end <- function(edge, out) {
    if (edge + out < 1 || edge + out > 401) return(grid[edge])
    fine <- seq(grid[edge], grid[edge + out], length.out = 21)
    kept <- which(sapply(fine, function(d) unconditional(k, n, d, 101)) > 1 - level)
    fine[min(max(kept, 1) + 1, 21)]
  }
  c(end(min(inside), -1), end(max(inside), 1))
}

p_of_two <- function(k, n) {
  if (max(n) > 40) fisher.test(cbind(k, n - k))$p.value else unconditional(k, n, 0, 1001)
}

# Over blocks: weights of Mantel and Haenszel; given each block's events the count of the first arm
# is a sum of hypergeometric ones.
over_blocks <- function(k, n) {
  both <- n[, 1] > 0 & n[, 2] > 0
  k <- k[both, , drop = FALSE]
  n <- n[both, , drop = FALSE]
  weight <- n[, 1] * n[, 2] / rowSums(n)
  chance <- 1
  lowest <- 0
  for (b in seq_len(nrow(n))) {
    events <- sum(k[b, ])
    x <- max(0, events - n[b, 2]):min(events, n[b, 1])
    part <- dhyper(x, n[b, 1], n[b, 2], events)
    both_ways <- rep(0, length(chance) + length(part) - 1)
    for (i in seq_along(part)) {
      at <- i - 1 + seq_along(chance)
      both_ways[at] <- both_ways[at] + part[i] * chance
    }
    chance <- both_ways
    lowest <- lowest + x[1]
  }
  seen <- chance[sum(k[, 1]) - lowest + 1]
  size <- colSums(n)
  list(
    estimate = sum(weight * (k[, 1] / n[, 1] - k[, 2] / n[, 2])) / sum(weight),
    p = min(sum(chance[chance <= seen * (1 + 1e-7)]), 1),
    total = colSums(k), size = size, wider = sqrt(1 / sum(weight) / sum(1 / size))
  )
}

# Upper ends of weighted sums of shares, one row per table: limits of Clopper and Pearson,
# distances added by their squares.
put_together <- function(k, n, w, level) {
  far <- whole <- 0
  for (i in seq_along(n)) {
    low <- ifelse(k[, i] > 0, qbeta((1 - level) / 2, pmax(k[, i], 1e-300), n[i] - k[, i] + 1), 0)
    high <- ifelse(k[, i] < n[i], qbeta((1 + level) / 2, k[, i] + 1, pmax(n[i] - k[, i], 1e-300)), 1)
    share <- w[i] * k[, i] / n[i]
    far <- far + (pmax(w[i] * low, w[i] * high) - share)^2
    whole <- whole + share
  }
  whole + sqrt(far)
}

# Chance, at each choice of shares, of tables whose limit lies no higher than that of the table
# seen; and the weighted sums.
as_far <- function(k, n, w) {
  tables <- as.matrix(expand.grid(lapply(n, function(m) 0:m)))
  limit <- put_together(tables, n, w, 0.95)
  seen <- limit[which(colSums(t(tables) == k) == length(k))]
  chance <- array((limit <= seen + 1e-9) * 1, n + 1)
  share <- sin(seq(0, pi / 2, length.out = c(25, 25, 25, 13, 9)[length(n)]))^2
  total <- 0
  for (i in seq_along(n)) {
    tried <- if (w[i] > 0) share else rev(share)
    one <- outer(0:n[i], tried, function(x, p) dbinom(x, n[i], p))
    rest <- dim(chance)[-1]
    chance <- array(crossprod(matrix(chance, n[i] + 1), one), c(rest, length(share)))
    total <- outer(total, w[i] * tried, "+")
  }
  list(chance = chance, total = array(total, dim(chance)))
}

# The largest sum whose chance is above `tail`, interpolated along each arm.
farthest <- function(at, tail) {
  found <- suppressWarnings(max(at$total[at$chance > tail]))
  arms <- length(dim(at$chance))
  for (i in seq_len(arms)) {
    turned <- c(i, seq_len(arms)[-i])
    p <- matrix(aperm(at$chance, turned), dim(at$chance)[i])
    d <- matrix(aperm(at$total, turned), dim(at$chance)[i])
    near <- p[-nrow(p), ]
    beyond <- p[-1, ]
    ends <- near > tail & beyond <= tail
    reach <- (d[-nrow(d), ] + diff(d) * (near - tail) / (near - beyond))[ends]
    found <- max(found, reach)
  }
  found
}

# Of several arms: exact limits, or those of Clopper and Pearson put together where there are too
# many tables.
several <- function(k, n, w) {
  estimate <- sum(w * k / n)
  if (length(n) > 5 || prod(n + 1) > 50000) {
    k <- t(k)
    return(function(level) c(-put_together(k, n, -w, level), put_together(k, n, w, level)))
  }
  down <- as_far(k, n, -w)
  up <- as_far(k, n, w)
  function(level) {
    tail <- (1 - level) / 2
    c(min(-farthest(down, tail), estimate), max(farthest(up, tail), estimate))
  }
}

# The least alpha at which an interval is clear of 0, by 40 halvings.
least <- function(clear) {
  low <- 0
  high <- 0.5
  if (!clear(0)) return(1)
  for (i in 1:40) {
    middle <- (low + high) / 2
    if (clear(1 - 2 * middle)) high <- middle else low <- middle
  }
  high
}

yes_or_no <- function(d) {
  arms <- unique(d$arm)
  w <- d$weight[match(arms, d$arm)]
  pair <- length(arms) == 2 && all(sort(w) == c(-1, 1))
  if (pair) arms <- arms[order(-w)]
  count <- function(x) {
    y <- tapply(x, list(factor(d$block), factor(d$arm, arms)), sum)
    matrix(ifelse(is.na(y), 0, y), ncol = length(arms))
  }
  k <- count(d$value)
  n <- count(rep(1, nrow(d)))
  at <- c(d$level_lower[1], d$level_upper[1])
  if (!pair) {
    k <- colSums(k)
    n <- colSums(n)
    ends <- several(k, n, w)
    p <- 2 * min(least(function(l) ends(l)[1] > 0), least(function(l) ends(l)[2] < 0))
    found <- list(estimate = sum(w * k / n), p = min(1, p))
  } else if (nrow(n) > 1) {
    found <- over_blocks(k, n)
    ends <- function(level) {
      own <- two_shares(found$total, found$size, level)
      gap <- found$total[1] / found$size[1] - found$total[2] / found$size[2]
      moved <- found$estimate + found$wider * (own - gap)
      c(max(min(moved[1], own[1]), -1), min(max(moved[2], own[2]), 1))
    }
  } else {
    found <- list(estimate = k[1] / n[1] - k[2] / n[2], p = p_of_two(c(k), c(n)))
    ends <- function(level) two_shares(c(k), c(n), level)
  }
  size <- if (is.na(d$most[1])) 1 else d$most[1] - d$least[1]
  c(estimate = size * found$estimate, p = found$p,
    lower = size * (if (is.na(at[1])) NA else ends(at[1])[1]),
    upper = size * (if (is.na(at[2])) NA else ends(at[2])[2]))
}

# P(first > second) + P(equal) / 2 over blocks, and its distance from a half in standard errors.
tendency <- function(y, one, block) {
  effect <- variance <- total <- 0
  studentised <- TRUE
  for (b in unique(block)) {
    x <- y[block == b & one]
    z <- y[block == b & !one]
    below <- outer(x, z, ">") + outer(x, z, "==") / 2
    w <- length(x) * length(z) / (length(x) + length(z))
    effect <- effect + w * mean(below)
    total <- total + w
    if (min(length(x), length(z)) < 2) studentised <- FALSE else {
      variance <- variance + w^2 * (var(rowMeans(below)) / length(x) + var(colMeans(below)) / length(z))
    }
  }
  gap <- abs(effect / total - 0.5)
  if (gap < 1e-9) gap <- 0
  se <- sqrt(variance) / total
  t <- if (!studentised) round(gap, 9) else if (se < 1e-9) ifelse(gap > 0, Inf, 0) else gap / se
  c(effect / total, t)
}

# Brunner and Munzel's statistic over all relabellings within blocks; too many of them are drawn
# there, and p is not repeated here.
grades <- function(d) {
  one <- d$weight > 0
  there <- tapply(one, d$block, function(x) any(x) && !all(x))
  keep <- there[match(d$block, names(there))]
  if (all(d$block == "")) keep <- rep(any(one) && !all(one), nrow(d))
  y <- d$value[keep]
  block <- d$block[keep]
  one <- one[keep]
  seen <- tendency(y, one, block)
  places <- lapply(unique(block), function(b) which(block == b))
  p <- NA
  if (prod(sapply(places, function(i) choose(length(i), sum(one[i])))) <= 20000) {
    firsts <- lapply(places, function(i) combn(length(i), sum(one[i]), simplify = FALSE))
    all_of <- as.matrix(expand.grid(lapply(firsts, seq_along)))
    t <- apply(all_of, 1, function(which_one) {
      label <- rep(FALSE, length(y))
      for (b in seq_along(places)) label[places[[b]][firsts[[b]][[which_one[b]]]]] <- TRUE
      tendency(y, label, block)[2]
    })
    p <- mean(t >= seen[2] - ifelse(is.finite(seen[2]), 1e-9 * abs(seen[2]), 0))
  }
  m <- sapply(places, function(i) sum(one[i]))
  n <- lengths(places) - m
  w <- m * n / (m + n)
  w <- w / sum(w)
  grid <- seq(0, 1, length.out = 2001)
  variance <- 0
  for (b in seq_along(places)) {
    spread <- grid / (2 - grid) + 2 * grid^2 / (1 + grid) - 2 * grid^2
    variance <- variance + w[b]^2 * (grid * (1 - grid) + ((m[b] + n[b]) / 2 - 1) * spread) / (m[b] * n[b])
  }
  few <- min(sum(m), sum(n))
  ends <- function(level) {
    half <- qt(0.5 + level / 2, max(2 * (few - length(m)), few - 1)) * sqrt(pmax(variance, 0))
    found <- range(grid[abs(seen[1] - grid) <= half + grid[2]]) - 0.5
    if (!is.na(p) && p > 1 - level) found <- c(min(found[1], 0), max(found[2], 0))
    found
  }
  at <- c(d$level_lower[1], d$level_upper[1])
  c(estimate = seen[1] - 0.5, p = p,
    lower = if (is.na(p + at[1])) NA else ends(at[1])[1],
    upper = if (is.na(p + at[2])) NA else ends(at[2])[2])
}

data <- read.delim("reproduce.tsv", colClasses = c(unit = "character", arm = "character", block = "character"))
data$block[is.na(data$block)] <- ""
table <- read.delim("contrasts.tsv", quote = "",
                    colClasses = c(outcome = "character", contrast = "character"))
worst <- 0
for (line in unique(data$line)) {
  d <- data[data$line == line, ]
  here <- table[line - 1, ]
  theirs <- switch(d$how[1], "yes or no" = yes_or_no(d), "grades" = grades(d), repeated(d))
  theirs <- theirs[!is.na(theirs) & names(theirs) %in% c("estimate", "se", "df", "p", "lower", "upper")]
  ours <- unlist(here[names(theirs)])
  off <- max(abs(theirs - ours) / pmax(abs(ours), 1e-9 + 1e-3 * (names(ours) %in% c("estimate", "lower", "upper"))))
  drawn <- if ("p" %in% names(theirs)) "" else ", without p: relabellings were drawn"
  cat(sprintf("%-24s %-12s off by %.1e%s\n", here$outcome, here$contrast, off, drawn))
  worst <- max(worst, off)
}
cat(sprintf("%d confirmatory rows, largest relative difference %.1e\n", length(unique(data$line)), worst))
if (worst > 1e-6) stop("a number could not be reproduced")
