//! Search spaces, samplers, stoppers and studies in which a cost is a number.
