"""Lanes: what is wanted, what is there, what comes next. Pure: values in, commands out.

A lane is one stock or pair at one account. `decide` turns the state of a lane and one waiting signal into what is to be
done with that signal now; `admit` judges an order once more at the moment of sending; `pair_moves` and `exits` say what
the orders of a signal ask for after each change. The state is compared with what is wanted each time, so a lost
message, a crash or a late fill changes the next step and never the end.
"""
